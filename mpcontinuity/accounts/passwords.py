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
    """RFC 8265 §4.2 (OpaqueString) as far as clients differ: composed letters, plain blanks."""
    composed = unicodedata.normalize("NFC", password)
    return "".join(" " if unicodedata.category(character) == "Zs" else character for character in composed)


class Kept(NamedTuple):
    """Of a password: a hash of passlib's, and SCRAM keys (protocols/sasl/scram.py). Empty: there is none."""

    hash: str
    scram: str


NO_PASSWORD: Final = Kept("", "")


class Passwords:
    """Hashing under one scheme; slow on purpose, so that servers call it in a thread."""

    def __init__(self, scheme: str = "argon2", also: Sequence[str] = _ALSO_VERIFIED) -> None:
        schemes = [scheme, *(other for other in also if other != scheme)]
        self._context = CryptContext(schemes=schemes, default=scheme, deprecated="auto", **_ARGON2)

    def hash(self, password: str) -> str:
        """Raises Refused for one that cannot be used."""
        if not password:
            raise Refused("the password is empty; give one with at least one character")
        if len(password) > MAX_LENGTH or "\0" in password:
            raise Refused(f"the password is longer than {MAX_LENGTH} characters or has a NUL in it")
        return str(self._context.hash(prepare(password)))

    def keep(self, password: str, salt: bytes) -> Kept:
        """``salt``: 16 octets at random. Raises Refused for a password that cannot be used."""
        return Kept(self.hash(password), str(make_keys(prepare(password), salt)))

    def outdated(self, hashed: str) -> bool:
        """Whether it was made under another scheme or weaker parameters than `hash` uses now."""
        try:
            return bool(hashed) and bool(self._context.needs_update(hashed))
        except ValueError:
            return False

    def verify(self, password: str, hashed: str) -> bool:
        """False for a hash that nobody can read, too."""
        if not hashed:
            self._context.dummy_verify()  # takes as long, so that the time tells nothing
            return False
        if not password or len(password) > MAX_LENGTH or "\0" in password:
            self._context.dummy_verify()
            return False
        try:
            return bool(self._context.verify(prepare(password), hashed))
        except ValueError:
            return False
