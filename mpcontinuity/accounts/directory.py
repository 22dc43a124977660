"""Domains and users in memory, for the paths that ask for them with every message and login."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial

from mpcontinuity.accounts import app_passwords, domains, users
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.accounts.users import User
from mpcontinuity.model.address import Address
from mpcontinuity.model.events import AccountsChanged, DomainsChanged, Everything, Notice
from mpcontinuity.store.store import Store

_CACHED_USERS = 50_000


class Directory:
    """Finds domains and users of one store, in the reactor thread.

    What was read is remembered until the store says that domains or users changed. Its methods raise Temporary where
    the store has to be asked and cannot answer.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._domains: dict[str, Domain] | None = None
        self._users: OrderedDict[str, User | None] = OrderedDict()
        self._generation = 0
        store.listen(self._heard)

    def _heard(self, notices: Sequence[Notice]) -> None:
        for notice in notices:
            if isinstance(notice, DomainsChanged | Everything):
                self._domains = None
            elif not isinstance(notice, AccountsChanged):
                continue
            self._users.clear()
            self._generation += 1

    async def domain(self, name: str) -> Domain | None:
        """Returns the domain of that name, given in lower case; None where there is none."""
        known = self._domains
        if known is None:
            known = await self._load()
        return known.get(name)

    async def domains(self) -> list[Domain]:
        """Returns all domains, by name."""
        known = self._domains
        if known is None:
            known = await self._load()
        return list(known.values())

    async def _load(self) -> dict[str, Domain]:
        while True:
            generation = self._generation
            known = {domain.name: domain for domain in await self._store.read(domains.listing)}
            if generation == self._generation:  # else it was read before the change that we heard of
                self._domains = known
                return known

    async def user(self, address: Address) -> User | None:
        """Returns whom the address reaches, by alias or without its ``+tag`` too; None where it reaches nobody.

        Users of any status are found: look at ``registered`` or ``status``.
        """
        key = address.key
        if key in self._users:
            self._users.move_to_end(key)
            return self._users[key]
        while True:
            generation = self._generation
            user = await self._store.read(partial(users.find, address=address))
            if generation == self._generation:
                break
        self._users[key] = user
        if len(self._users) > _CACHED_USERS:
            self._users.popitem(last=False)
        return user

    async def app_password_stands(self, user: User) -> bool:
        """Says whether the app password that the user has logged in by is one of theirs still; True where it was their
        own."""
        while user.app_password:
            generation = self._generation
            work = partial(app_passwords.stands, account=user.id, app_password=user.app_password)
            stands = await self._store.read(work)
            if generation == self._generation:
                return stands
        return True
