"""Signs messages and verifies signatures: DKIM (RFC 6376), with Ed25519 (RFC 8463).

A message of any size is hashed in pieces as it is read, and each piece costs a few passes in C; the arithmetic is done
by OpenSSL. So this needs no thread of its own, and no message is held in memory whole (docs/decisions/0010).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

Canonical = Literal["simple", "relaxed"]
PrivateKey = rsa.RSAPrivateKey | Ed25519PrivateKey

# RFC 8301 §3.2: shorter keys are not believed, and longer ones not asked for: arithmetic grows with their square.
LEAST_BITS: Final = 1024
MOST_BITS: Final = 4096
_MOST_EXPONENT: Final = (1 << 32) - 1  # all the world has 65,537
_MOST_KEY: Final = 1024  # octets of a record's p=, decoded

_FIELD = re.compile(rb"^[!-9;-~]++[ \t]*+:[^\n]*+\n(?:[ \t][^\n]*+\n)*", re.MULTILINE)
_FOLD = re.compile(rb"\r?\n")
_B_VALUE = re.compile(rb"(?<![A-Za-z0-9_])(b[ \t\r\n]*=)[^;]*")
_TAG = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_ALL_BLANKS = re.compile(r"\s+")
_NUMBER = re.compile(r"[0-9]{1,76}")


class Field(msgspec.Struct, frozen=True):
    """A header field as it stands in the message, including the line ends."""

    name: bytes  # in lower case
    raw: bytes


def fields(header: bytes) -> list[Field]:
    """Returns the fields of a header whose lines end in CRLF or LF. Lines that are no field are left out."""
    if not header.endswith(b"\n"):
        header += b"\r\n"
    return [Field(raw.partition(b":")[0].rstrip(b" \t").lower(), raw) for raw in _FIELD.findall(header)]


def canonical_field(field: Field, way: Canonical) -> bytes:
    """Returns the canonical form of a field, with its line end (RFC 6376 §3.4.1 and §3.4.2)."""
    if way == "simple":
        return field.raw
    value = _single_blanks(field.raw.partition(b":")[2].replace(b"\n", b"").replace(b"\r", b""))
    return field.name + b":" + value.strip(b" ") + b"\r\n"


def _single_blanks(data: bytes) -> bytes:
    """Runs of blanks as one: a regular expression would hold the interpreter for a hundred ms where a MiB has them."""
    data = data.replace(b"\t", b" ")
    while b"  " in data:  # each round halves the runs
        data = data.replace(b"  ", b" ")
    return data


class _Sum:
    """What is hashed of a body so far."""

    __slots__ = ("hash", "left", "octets")

    def __init__(self, hash_: Any, left: int | None, octets: int) -> None:
        self.hash = hash_
        self.left = left
        self.octets = octets

    def put(self, data: bytes) -> None:
        self.octets += len(data)
        if self.left is not None:
            data, self.left = data[: self.left], max(self.left - len(data), 0)
        self.hash.update(data)

    def copy(self) -> _Sum:
        return _Sum(self.hash.copy(), self.left, self.octets)


class BodyHash:
    """The SHA-256 of the canonical form of a body that is fed in pieces of any size.

    Line ends at the end of the body do not count (RFC 6376 §3.4). While nobody knows whether more follows, they are
    hashed into a copy, so that each piece costs only what is in it, however many blank lines came before.
    """

    def __init__(self, way: Canonical, length: int | None = None) -> None:
        """Begins a hash of at most ``length`` octets, the value of the tag l=; None hashes all."""
        self._relaxed = way == "relaxed"
        self._certain = _Sum(hashlib.sha256(), length, 0)  # up to the last octet that is no line end
        self._ahead = self._certain  # with the line ends behind it
        self._open = b""  # what the next octet may change: a CR, and in relaxed form a blank, or both
        self._any = False

    def feed(self, data: bytes) -> None:
        """Takes the next piece of the body."""
        data = self._canonical(self._open + data)
        keep = 1 if data.endswith(b"\r") else 0
        if self._relaxed and data[len(data) - keep - 1 : len(data) - keep] == b" ":
            keep += 1
        self._open = data[len(data) - keep :]
        data = data[: len(data) - keep]
        rest = _without_line_ends(data)
        if rest:
            self._any = True
            self._ahead.put(rest)
            self._certain = self._ahead
        if len(rest) < len(data):
            if self._ahead is self._certain:
                self._ahead = self._certain.copy()
            self._ahead.put(data[len(rest) :])

    def _canonical(self, data: bytes) -> bytes:
        if not self._relaxed:
            return data
        return _single_blanks(data).replace(b" \r\n", b"\r\n")

    def digest(self) -> bytes:
        """Ends the body and returns its hash."""
        if self._open.endswith(b"\r"):
            self._any = True
            self._ahead.put(self._open)
            self._certain = self._ahead
        self._open = b""
        if self._any or not self._relaxed:
            self._certain.put(b"\r\n")
        return bytes(self._certain.hash.digest())

    @property
    def octets(self) -> int:
        """The number of octets of the canonical body. It is complete after `digest`."""
        return self._certain.octets


def _without_line_ends(data: bytes) -> bytes:
    """Without the CRLFs that it ends in."""
    rest = data.rstrip(b"\r\n")
    # Of CR and LF in any order behind it, those that are pairs up to the end: each pair is made one octet first.
    pairs = data[len(rest) :].replace(b"\r\n", b"-")
    return data[: len(data) - 2 * (len(pairs) - len(pairs.rstrip(b"-")))]


# Signing

# RFC 6376 §5.4.1. Each is named once more than it occurs, so that none can be added; but for those that are added
# on the way by right.
_SIGNED: Final = (
    *(b"from", b"to", b"cc", b"reply-to", b"subject", b"date", b"message-id", b"in-reply-to", b"references"),
    *(b"mime-version", b"content-type", b"content-transfer-encoding"),
)
_ONCE: Final = (b"sender", b"auto-submitted", b"list-unsubscribe", b"list-unsubscribe-post", b"list-id")


def sign(header: bytes, body_hash: bytes, *, domain: str, selector: str, key: PrivateKey, time: int) -> bytes:
    """Returns the field DKIM-Signature, with its line end, to stand before the message.

    ``header`` is the header of the message. ``body_hash`` is the hash of its relaxed body. ``time`` is in seconds since
    1970.
    """
    present: dict[bytes, list[Field]] = defaultdict(list)
    for field in fields(header):
        present[field.name].append(field)
    names = [name for name in _SIGNED for _ in range(len(present[name]) + 1)]
    names += [name for name in _ONCE for _ in present[name]]
    algorithm = "rsa" if isinstance(key, rsa.RSAPrivateKey) else "ed25519"
    tags = [
        f"v=1; a={algorithm}-sha256; c=relaxed/relaxed; d={domain};",
        f"s={selector}; t={time};",
        *_folded("h=" + ":".join(name.decode() for name in names) + ";"),
        f"bh={base64.b64encode(body_hash).decode()};",
    ]
    unsigned = ("DKIM-Signature: " + "\r\n\t".join(tags) + "\r\n\tb=").encode("ascii")
    digest = _header_hash(names, present, Field(b"dkim-signature", unsigned), "relaxed")
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(digest.signed, padding.PKCS1v15(), hashes.SHA256())
    else:
        signature = key.sign(digest.hashed)
    text = base64.b64encode(signature).decode()
    return unsigned + "\r\n\t ".join(text[at : at + 72] for at in range(0, len(text), 72)).encode() + b"\r\n"


def _folded(text: str) -> list[str]:
    """At its colons, so that no line is longer than 78 characters."""
    lines, line = [], ""
    for part in text.split(":"):
        if line and len(line) + len(part) > 70:
            lines.append(line + ":")
            line = part
        else:
            line = f"{line}:{part}" if line else part
    return [*lines, line]


class _Digest(msgspec.Struct, frozen=True):
    signed: bytes  # what is hashed

    @property
    def hashed(self) -> bytes:
        """What Ed25519 signs (RFC 8463 §3)."""
        return hashlib.sha256(self.signed).digest()


def _header_hash(
    names: Iterable[bytes], present: dict[bytes, list[Field]], signature: Field, way: Canonical
) -> _Digest:
    """RFC 6376 §3.7: the named fields from below, then the signature itself without its value and line end."""
    left = {name: list(found) for name, found in present.items()}
    signed = [canonical_field(left[name].pop(), way) for name in names if left.get(name)]
    last = canonical_field(signature, way)
    return _Digest(b"".join(signed) + last.removesuffix(b"\r\n").removesuffix(b"\n"))


# Keys

BITS: Final = 2048


def new_key() -> str:
    """Makes a key and returns it as PEM.

    It is an RSA key of 2,048 bits: not every verifier knows Ed25519, and a longer key does not fit into a TXT record
    that goes by UDP (RFC 8301 §3.2).
    """
    key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return encoded.decode("ascii")


def load_key(pem: str) -> PrivateKey:
    """Returns the key in a PEM text. Raises ValueError."""
    key = serialization.load_pem_private_key(pem.encode("ascii"), None)
    if not isinstance(key, rsa.RSAPrivateKey | Ed25519PrivateKey):
        raise ValueError("neither an RSA nor an Ed25519 key")
    return key


def record(key: PrivateKey) -> str:
    """Returns the TXT record for ``selector._domainkey.domain`` (RFC 6376 §3.6.1)."""
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        encoded = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return f"v=DKIM1; k=rsa; p={base64.b64encode(encoded).decode()}"
    raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return f"v=DKIM1; k=ed25519; p={base64.b64encode(raw).decode()}"


def same_key(published: str, key: PrivateKey) -> bool:
    """Returns whether a TXT record has the public half of the key."""
    try:
        wanted, found = tags(record(key)), tags(published)
    except BadSignature:
        return False
    return found.get("k", "rsa") == wanted["k"] and _ALL_BLANKS.sub("", found.get("p", "")) == wanted["p"]


# Verifying


class BadSignature(Exception):
    """Raised for a signature or a key that cannot be read or used, which is the result `permerror` (RFC 8601 §2.7.1).

    The text says why.
    """


class Signature(msgspec.Struct, frozen=True):
    """What a field DKIM-Signature says."""

    field: Field
    domain: str
    selector: str
    algorithm: str  # rsa | ed25519
    header: Canonical
    body: Canonical
    names: tuple[bytes, ...]  # in lower case
    body_hash: bytes
    signature: bytes
    length: int | None
    identity: str  # i=


def tags(text: str) -> dict[str, str]:
    """Returns the tags of a list ``name=value; …`` (RFC 6376 §3.2). Raises BadSignature."""
    found: dict[str, str] = {}
    for part in text.split(";"):
        if not part.strip():
            continue
        name, equals, value = part.partition("=")
        name = name.strip()
        if not equals or not _TAG.fullmatch(name) or name in found:
            raise BadSignature("its tags cannot be read")
        found[name] = value.strip()
    return found


def read(field: Field, now: int) -> Signature:
    """Returns what a field DKIM-Signature says. ``now`` is in seconds since 1970. Raises BadSignature."""
    try:
        found = tags(_FOLD.sub(b"", field.raw.partition(b":")[2]).decode("utf-8"))
    except UnicodeDecodeError:
        raise BadSignature("it is no text") from None
    for name in ("v", "a", "b", "bh", "d", "h", "s"):
        if name not in found:
            raise BadSignature(f"it has no {name}=")
    if found["v"] != "1":
        raise BadSignature("it has another version")
    algorithm, _, hashed = found["a"].partition("-")
    if algorithm not in ("rsa", "ed25519") or hashed != "sha256":  # RFC 8301 §3.1: rsa-sha1 counts no longer
        raise BadSignature("its algorithm is not accepted")
    header, _, body = found.get("c", "simple/simple").partition("/")
    names = tuple(name.strip().lower().encode() for name in found["h"].split(":"))
    if b"from" not in names:
        raise BadSignature("it does not cover From")
    domain, identity = found["d"].lower().rstrip("."), found.get("i", "").lower()
    if identity and not _below(identity.rpartition("@")[2], domain):
        raise BadSignature("its i= is not of its d=")
    expires = found.get("x", "")
    if expires and (not _NUMBER.fullmatch(expires) or int(expires) < now):
        raise BadSignature("it has expired")
    length = found.get("l")
    if length is not None and not _NUMBER.fullmatch(length):
        raise BadSignature("its l= is no number")
    return Signature(
        field=field,
        domain=domain,
        selector=found["s"].lower().rstrip("."),
        algorithm=algorithm,
        header=_way(header),
        body=_way(body or "simple"),
        names=names,
        body_hash=_base64(found["bh"]),
        signature=_base64(found["b"]),
        length=int(length) if length is not None else None,
        identity=identity,
    )


def _below(name: str, domain: str) -> bool:
    return name == domain or name.endswith(f".{domain}")


def _way(text: str) -> Canonical:
    if text == "simple":
        return "simple"
    if text == "relaxed":
        return "relaxed"
    raise BadSignature("its canonicalisation is not known")


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(_ALL_BLANKS.sub("", text), validate=True)
    except (binascii.Error, ValueError):
        raise BadSignature("its base64 cannot be read") from None


def verify(signature: Signature, header: Sequence[Field], published: str) -> bool:
    """Returns whether the header is as it was signed, by the key in the TXT record ``published``. Raises BadSignature.

    The hash of the body is for the caller to compare.
    """
    key = _public_key(signature, published)
    present: dict[bytes, list[Field]] = defaultdict(list)
    for field in header:
        present[field.name].append(field)
    unsigned = Field(signature.field.name, _B_VALUE.sub(rb"\1", signature.field.raw, count=1))
    # Of several signatures this one is left out of what it covers.
    present[b"dkim-signature"] = [field for field in present[b"dkim-signature"] if field is not signature.field]
    digest = _header_hash(signature.names, present, unsigned, signature.header)
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature.signature, digest.signed, padding.PKCS1v15(), hashes.SHA256())
        else:
            key.verify(signature.signature, digest.hashed)
    except InvalidSignature:
        return False
    return True


def _public_key(signature: Signature, published: str) -> rsa.RSAPublicKey | Ed25519PublicKey:
    found = tags(published)
    if found.get("v", "DKIM1") != "DKIM1":
        raise BadSignature("its key has another version")
    if found.get("k", "rsa") != signature.algorithm:
        raise BadSignature("its key is for another algorithm")
    if "sha256" not in [one.strip() for one in found.get("h", "sha256").split(":")]:
        raise BadSignature("its key is for other hashes")
    services = [one.strip() for one in found.get("s", "*").split(":")]
    if "*" not in services and "email" not in services:
        raise BadSignature("its key is not for mail")
    flags = [one.strip() for one in found.get("t", "").split(":")]
    if "s" in flags and signature.identity and signature.identity.rpartition("@")[2] != signature.domain:
        raise BadSignature("its key is not for subdomains")
    encoded = _base64(found.get("p", ""))
    if not encoded:
        raise BadSignature("its key is revoked" if "p" in found else "its key record has no key")
    if len(encoded) > _MOST_KEY:
        raise BadSignature("its key is too long")
    try:
        if signature.algorithm == "ed25519":
            return Ed25519PublicKey.from_public_bytes(encoded)
        key: Any = _rsa(encoded)
    except (ValueError, UnsupportedAlgorithm):
        raise BadSignature("its key cannot be read") from None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < LEAST_BITS:
        raise BadSignature("its key is too short")
    if key.key_size > MOST_BITS or key.public_numbers().e > _MOST_EXPONENT:
        raise BadSignature("its key is too long")
    return key


def _rsa(encoded: bytes) -> Any:
    """RFC 6376 §3.6.1 says RSAPublicKey, and all the world publishes SubjectPublicKeyInfo."""
    return serialization.load_der_public_key(encoded)
