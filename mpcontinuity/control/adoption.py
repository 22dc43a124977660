"""Mail that was owed without a mailbox appears in INBOX once its address is registered (contract, 'One reply')."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from mpcontinuity.accounts import users
from mpcontinuity.mailbox.append import NewEntry
from mpcontinuity.message.render import render
from mpcontinuity.model.address import parse
from mpcontinuity.model.body import Body
from mpcontinuity.model.errors import Corrupt
from mpcontinuity.queue import adoption
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

_AT_ONCE = 50  # messages read into memory together


async def adopt(store: Store, domain: int, keys: Collection[str]) -> None:
    """Puts mail that is owed without a mailbox to addresses of a domain into the INBOX of their users.

    ``keys`` are these addresses (Address.key), whose users were registered just now. Mail that cannot be read stays
    owed without a mailbox.
    """
    after: int | None = 0
    while keys and after is not None:
        found, after = await store.read(partial(adoption.without_mailbox, domain=domain, keys=keys, after=after))
        for first in range(0, len(found), _AT_ONCE):
            await _adopt(store, found[first : first + _AT_ONCE])


async def _adopt(store: Store, found: list[tuple[int, str, int, Body]]) -> None:
    contents = await store.bodies.read_many([body for *_, body in found])
    for (owed, recipient, received, body), content in zip(found, contents, strict=True):
        if isinstance(content, Corrupt):
            continue  # it stays owed; redelivery says what is wrong with it
        entry = NewEntry(body.id, body.length, received, 0, (), render(content))
        await store.run(partial(_into_inbox, owed=owed, recipient=recipient, entry=entry), bulk=True)


def _into_inbox(tx: Transaction, owed: int, recipient: str, entry: NewEntry) -> None:
    user = users.find(tx, parse(recipient))
    if user is not None and user.registered:
        adoption.adopt(tx, owed, user.id, entry)
