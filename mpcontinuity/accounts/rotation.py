"""Lets a new DKIM key sign once DNS has its record: before that, nobody could verify what it signs."""

from __future__ import annotations

from functools import partial

from twisted.logger import Logger

from mpcontinuity.accounts import dkim as table
from mpcontinuity.message import dkim
from mpcontinuity.outbound.lookup import Lookup, NoAnswer
from mpcontinuity.store.store import Store

_log = Logger()


async def take_over(store: Store, lookup: Lookup) -> None:
    """Asks DNS about the waiting key of every domain, and lets those sign that are published: a chore of every hour.

    A key whose record is missing or cannot be asked for waits on. Raises Temporary where the store is away.
    """
    for keys in await store.read(table.listing):
        if not keys.next_selector:
            continue
        name = f"{keys.next_selector}._domainkey.{keys.name}"
        try:
            published = await lookup.texts(name)
            key = dkim.load_key(keys.next_key)
        except (NoAnswer, ValueError) as error:
            _log.warn("the key {name} waits: {error}", name=name, error=error)
            continue
        if any(dkim.same_key(text, key) for text in published) and await store.run(
            partial(table.switch, domain=keys.domain, selector=keys.next_selector)
        ):
            _log.info("the key {name} signs from now on: DNS has it", name=name)
