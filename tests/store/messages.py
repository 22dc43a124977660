"""Messages as the tests of the store keep them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from mpcontinuity.model.body import Body
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

BODIES = Statement('SELECT id, pack, "offset", length, prefix, crc FROM body ORDER BY id')
PACKS = Statement("SELECT id, kind, day, sealed, gone FROM pack WHERE id > 0 ORDER BY id")

MEGABYTE = 1_000_000


def head(store: Store, **fields: Any) -> Head:
    return Head(id=store.identifiers.next(), time=store.clock.now(), direction="inbound", **fields)


def the_body(tx: Transaction, body: Body) -> Body:
    return body


def keep(
    store: Store,
    content: bytes,
    work: Callable[[Transaction, Body], Any] = the_body,
    *,
    keep_until: int = 0,
    **options: Any,
) -> Deferred[Any]:
    """Keeps ``content`` and goes on with ``work``, which by default gives the Body."""
    draft = store.bodies.draft(**options)
    draft.write(content)
    return store.keep(draft, head(store), work, keep_until=keep_until)


def bodies(store: Store) -> Deferred[list[Body]]:
    """All rows of `body`."""
    return store.read(lambda tx: [Body(*row) for row in tx.all(BODIES)])
