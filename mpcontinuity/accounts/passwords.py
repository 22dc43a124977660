"""Passwords as passlib hashes them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final, NamedTuple

from passlib.context import CryptContext

from mpcontinuity.model.errors import Refused
from mpcontinuity.protocols.sasl.scram import make_keys

# Hashes made under a scheme that was configured before must go on to verify.
_ALSO_VERIFIED = ("argon2", "bcrypt", "scrypt", "pbkdf2_sha256", "pbkdf2_sha512", "sha512_crypt", "sha256_crypt")
# RFC 9106 leaves the parameters open; 19 MiB, 2 passes, 1 lane is OWASP's minimum and takes 26 ms.
_ARGON2 = {"argon2__type": "ID", "argon2__memory_cost": 19456, "argon2__time_cost": 2, "argon2__parallelism": 1}
MAX_LENGTH = 1024


def prepare(password: str) -> str:
    """Returns the password as it is hashed: composed letters and plain blanks, as far as clients differ in that.

    That is a part of OpaqueString, RFC 8265 §4.2.
    """
    composed = unicodedata.normalize("NFC", password)
    return "".join(" " if unicodedata.category(character) == "Zs" else character for character in composed)


def _can_be_one(password: str) -> bool:
    try:
        return 0 < len(password) <= MAX_LENGTH and "\0" not in password and bool(password.encode())
    except UnicodeEncodeError:  # half of a pair
        return False


class Kept(NamedTuple):
    """What is kept of a password: a hash of passlib's, and SCRAM keys as protocols/sasl/scram.py writes them.

    Each is empty where there is none.
    """

    hash: str
    scram: str


NO_PASSWORD: Final = Kept("", "")


class Passwords:
    """Hashes passwords under one scheme and verifies those of others. It is slow on purpose: call it in a thread.

    ``scheme`` and ``also`` are names of passlib's; hashes of ``also`` are verified, and count as outdated.
    """

    def __init__(self, scheme: str = "argon2", also: Sequence[str] = _ALSO_VERIFIED) -> None:
        schemes = [scheme, *(other for other in also if other != scheme)]
        self._context = CryptContext(schemes=schemes, default=scheme, deprecated="auto", **_ARGON2)

    def hash(self, password: str) -> str:
        """Returns a hash of the password. Raises Refused for one that is empty, too long, has a NUL, or is no UTF-8."""
        if not password:
            raise Refused("the password is empty; give one with at least one character", field="password")
        if not _can_be_one(password):
            why = f"the password is longer than {MAX_LENGTH} characters, has a NUL in it, or is not UTF-8 text"
            raise Refused(why, field="password")
        return str(self._context.hash(prepare(password)))

    def keep(self, password: str, salt: bytes) -> Kept:
        """Returns all that is kept of a password. ``salt`` is 16 random octets. Raises Refused as `hash` does."""
        return Kept(self.hash(password), str(make_keys(prepare(password), salt)))

    def outdated(self, hashed: str) -> bool:
        """Says whether a hash was made under another scheme or weaker parameters than `hash` uses now."""
        try:
            return bool(hashed) and bool(self._context.needs_update(hashed))
        except ValueError:
            return False

    def verify(self, password: str, hashed: str) -> bool:
        """Says whether the hash was made of the password; False for a hash that nobody can read, too.

        An empty hash, of a user without a password, takes as long as any other.
        """
        if not hashed or not _can_be_one(password):
            self._context.dummy_verify()  # takes as long, so that the time tells nothing
            return False
        try:
            return bool(self._context.verify(prepare(password), hashed))
        except ValueError:
            return False
