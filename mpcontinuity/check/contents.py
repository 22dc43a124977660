"""What packs say of messages that rows of the index name."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from mpcontinuity.message.render import render
from mpcontinuity.model.address import BadAddress, parse
from mpcontinuity.model.errors import Corrupt
from mpcontinuity.store.bodies import references
from mpcontinuity.store.store import Store
from mpcontinuity.store.upkeep.verify import Packed, walk


async def rendered(store: Store, body_id: int) -> bytes:
    """Returns what a mailbox stores of the message in order to list it. A damaged or missing message gives what an
    empty one would.
    """
    body = await store.read(partial(references.find, body_id=body_id))
    if body is None:
        return render(b"")
    try:
        return render(await store.bodies.read(body))
    except Corrupt:
        return render(b"")


async def recipients_of(store: Store, bodies: Sequence[int]) -> dict[int, set[str]]:
    """Returns, for each of these messages whose pack can be read, the keys of the addresses that its head names."""
    wanted = await store.read(partial(references.find_many, body_ids=bodies))
    keys: dict[int, set[str]] = {}
    async for step in walk(store, sorted({body.pack for body in wanted.values()})):
        for found in step:
            if isinstance(found, Packed) and found.body.id in wanted:
                keys[found.body.id] = {key for to in found.head.recipients for key in _keys(to)}
    return keys


def _keys(text: str) -> list[str]:
    try:
        address = parse(text)
    except BadAddress:
        return []
    return [address.key, address.untagged_key]
