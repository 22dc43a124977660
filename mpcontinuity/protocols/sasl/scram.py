"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677). The server neither sees nor stores the password."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable

import msgspec

from mpcontinuity.protocols.sasl.exchange import LONGEST, Challenge, Failed, Lookup, Proven, Step, may_act_as

NAME = "SCRAM-SHA-256"
NAME_PLUS = "SCRAM-SHA-256-PLUS"

# RFC 7677 §4 demands 4,096; more make a stolen database dearer to try, and a phone wait: about 20 ms here.
ITERATIONS = 40_000
SALT_OCTETS = 16
_NONCE_OCTETS = 18

# RFC 9266: the binding of TLS 1.3, and of 1.2 where the extended master secret is used.
BINDING = "tls-exporter"

_NONCE = re.compile(r"[!-+\--~]{1,256}")
_SHA256_OCTETS = 32


class Keys(msgspec.Struct, frozen=True):
    """What is stored for a user. It is enough to check a proof, and too little to make one."""

    salt: bytes
    iterations: int
    stored_key: bytes
    server_key: bytes

    def __str__(self) -> str:
        """Returns the keys in the form of RFC 5803, as they are stored."""
        parts = (self.salt, self.stored_key, self.server_key)
        salt, stored, server = (base64.b64encode(part).decode("ascii") for part in parts)
        return f"{NAME}${self.iterations}:{salt}${stored}:{server}"


def make_keys(password: str, salt: bytes, iterations: int = ITERATIONS) -> Keys:
    """Makes keys from a password, which is slow on purpose: call it in a thread.

    ``password`` is as accounts/passwords.py has prepared it.
    """
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("utf-8"), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    return Keys(salt, iterations, hashlib.sha256(client_key).digest(), hmac.digest(salted, b"Server Key", "sha256"))


def read_keys(text: str) -> Keys | None:
    """Returns keys from the form in which they are stored, or None for anything else."""
    match = re.fullmatch(r"SCRAM-SHA-256\$(\d{1,9}):([^$:]+)\$([^$:]+):([^$:]+)", text)
    if match is None:
        return None
    try:
        salt, stored, server = (base64.b64decode(part, validate=True) for part in match.groups()[1:])
    except binascii.Error:
        return None
    if len(stored) != _SHA256_OCTETS or len(server) != _SHA256_OCTETS:
        return None
    return Keys(salt, int(match[1]), stored, server)


def unknown_keys(name: str, secret: bytes) -> Keys:
    """Returns keys for a name that nobody has, to which no proof fits.

    ``name`` is in the form in which names are compared. The salt is the same each time, so that it tells nothing.
    """
    made = hmac.digest(secret, b"salt of " + name.encode("utf-8", "surrogatepass"), "sha512")
    unprovable = hmac.digest(secret, made, "sha512")
    return Keys(made[:SALT_OCTETS], ITERATIONS, unprovable[:_SHA256_OCTETS], unprovable[_SHA256_OCTETS:])


class Scram:
    """An exchange of SCRAM.

    ``random`` returns as many random octets as it is asked for. ``binding`` is the channel binding, where there is one;
    ``plus`` is true where the client chose the mechanism that uses it. A client that could have used it, and says that
    the server could not, shows that somebody stands in between (RFC 5802 §6).
    """

    def __init__(self, random: Callable[[int], bytes], *, binding: bytes | None = None, plus: bool = False) -> None:
        self._random = random
        self._binding = binding
        self._plus = plus
        self._name = ""
        self._header = b""  # gs2-header
        self._client_first = ""  # bare
        self._server_first = ""
        self._client_nonce = ""
        self._nonce = ""
        self._keys: tuple[Keys, ...] = ()

    def receive(self, message: bytes | None) -> Step:
        if message is None:
            return Challenge(b"")
        if len(message) > LONGEST:
            return Failed("too long")
        try:
            text = message.decode("utf-8")
        except UnicodeDecodeError:
            return Failed("no UTF-8")
        return self._final(text) if self._keys else self._first(text)

    def found(self, keys: Keys, *more: Keys) -> Challenge:
        """Answers Lookup with the keys of the user, or with ``unknown_keys`` for a name that nobody has.

        ``more`` are those of other passwords of the same user, made with the same salt and as many iterations: the
        client may prove any.
        """
        self._keys = (keys, *more)
        self._nonce = self._client_nonce + base64.b64encode(self._random(_NONCE_OCTETS)).decode("ascii")
        salt = base64.b64encode(keys.salt).decode("ascii")
        self._server_first = f"r={self._nonce},s={salt},i={keys.iterations}"
        return Challenge(self._server_first.encode("ascii"))

    def _first(self, text: str) -> Step:
        match = re.fullmatch(r"((?:[ny]|p=[A-Za-z0-9.-]+)),((?:a=[^,\0]+)?),(n=([^,\0]+),r=([^,]+)(?:,.*)?)", text)
        if match is None:
            return Failed("no first message of SCRAM")
        flag, identity, bare, name, nonce = match.groups()
        if not _NONCE.fullmatch(nonce):
            return Failed("a bad nonce")
        problem = self._binding_problem(flag)
        if problem:
            return Failed(problem)
        try:
            self._name, asserted = _unescape(name), _unescape(identity[2:])
        except ValueError:
            return Failed("a bad escape in a name")
        if not may_act_as(asserted, self._name):
            return Failed("nobody acts for another here", malformed=False)
        self._header = f"{flag},{identity},".encode()
        self._client_first = bare
        self._client_nonce = nonce
        return Lookup(self._name)

    def _binding_problem(self, flag: str) -> str:
        if flag.startswith("p="):
            if not self._plus or self._binding is None:
                return "a channel binding, but not the mechanism for it"
            return "" if flag[2:] == BINDING else f"the channel binding here is {BINDING}"
        if self._plus:
            return "the mechanism demands a channel binding"
        if flag == "y" and self._binding is not None:
            return "the client was told that there is no channel binding here"
        return ""

    def _final(self, text: str) -> Step:
        match = re.fullmatch(r"((c=([A-Za-z0-9+/=]+)),r=([^,]+)(?:,.*)?),p=([A-Za-z0-9+/=]+)", text)
        if match is None:
            return Failed("no final message of SCRAM")
        without_proof, _, bound, nonce, proof_text = match.groups()
        expected = self._header + (self._binding or b"" if self._header.startswith(b"p=") else b"")
        try:
            proof = base64.b64decode(proof_text, validate=True)
            given = base64.b64decode(bound, validate=True)
        except binascii.Error:
            return Failed("no base64 in the final message")
        if nonce != self._nonce:
            return Failed("another nonce")
        if not hmac.compare_digest(given, expected):
            return Failed("another channel binding", malformed=False)
        if len(proof) != _SHA256_OCTETS:
            return Failed("a proof of another length")
        signed = f"{self._client_first},{self._server_first},{without_proof}".encode()
        fits = [place for place, keys in enumerate(self._keys) if _is_proof(proof, signed, keys)]
        if not fits:
            return Failed("a wrong password", malformed=False)
        verifier = base64.b64encode(hmac.digest(self._keys[fits[0]].server_key, signed, "sha256"))
        return Proven(self._name, b"v=" + verifier, fits[0])


def _is_proof(proof: bytes, signed: bytes, keys: Keys) -> bool:
    signature = hmac.digest(keys.stored_key, signed, "sha256")
    client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
    return hmac.compare_digest(hashlib.sha256(client_key).digest(), keys.stored_key)


def _unescape(text: str) -> str:
    """RFC 5802 §5.1: ``=2C`` is a comma, ``=3D`` an equals sign, and no other stands. Raises ValueError."""
    if re.search(r"=(?!2C|3D)", text):
        raise ValueError(text)
    return text.replace("=2C", ",").replace("=3D", "=")
