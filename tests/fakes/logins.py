"""Who may log in, without the price of a password's hash."""

from __future__ import annotations

from collections.abc import Callable

from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.users import User
from mpcontinuity.model.address import parse
from mpcontinuity.protocols.sasl.scram import Keys, make_keys
from tests.fakes.clock import SeededRandomness

_KEYS = make_keys("secret", b"a salt of sixteen", 4096)


class Noted:
    """Remembers who has logged in, instead of writing it down."""

    def __init__(self) -> None:
        self.of: list[tuple[str, str]] = []

    def note(self, user: User, door: str, peer: str) -> None:
        self.of.append((user.address, door))


class KnownPassword:
    """Takes the password 'secret'."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self.error: Exception | None = None
        self.randomness = SeededRandomness()
        self.logins = Noted()

    async def check(self, name: str, password: str, peer: str, *, by_device: bool = False) -> User | None:
        if self.error is not None:
            raise self.error
        return await self._directory.user(parse(name)) if password == "secret" else None

    async def still(self, user: User) -> User | None:
        return user

    async def keys(self, name: str) -> list[Keys]:
        return [_KEYS]

    async def prove(self, name: str, message: bytes, peer: str, proves: Callable[[], Keys | None]) -> User | None:
        return await self._directory.user(parse(name)) if proves() is not None else None
