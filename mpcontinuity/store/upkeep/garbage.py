"""Messages in the database that nobody needs any more: expired, or never named by the index.

Both are looked for in steps over all ids, in the bulk lane: the expired once a day, the others once per process and
from there on only among newer ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from mpcontinuity.model import identifier
from mpcontinuity.model.clock import DAY, HOUR
from mpcontinuity.store.bodies import database, pieces
from mpcontinuity.store.bodies.bodies import Swept
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

# A message that is younger may be under way: its id is made when its first octet comes.
_YOUNG = DAY
# A message is handed to home and named, or not, within minutes after it came in. What has no name is dropped only if it
# still has none that much later.
_SEEN_AGAIN = HOUR

_STEP = 250  # ids; with as many times four pieces
_REMEMBERED = 100_000  # of those without a name; the rest is found another time

_WINDOW = Statement(
    "SELECT MAX(id) FROM (SELECT id FROM body WHERE pack = 0 AND id > :after ORDER BY id LIMIT :step) ids"
)
_EXPIRED = Statement(
    "DELETE FROM body WHERE pack = 0 AND id > :after AND id <= :last AND keep_until <= :now"
    " AND NOT EXISTS (SELECT 1 FROM entry WHERE entry.body = body.id)"
    " AND NOT EXISTS (SELECT 1 FROM owed WHERE owed.body = body.id)"
    " AND NOT EXISTS (SELECT 1 FROM archive WHERE archive.body = body.id)"
    " AND NOT EXISTS (SELECT 1 FROM outgoing WHERE outgoing.body = body.id)"
    " RETURNING id, length"
)
_STORED = Statement(
    "SELECT body FROM content WHERE piece = 0 AND body > :after AND body < :before ORDER BY body LIMIT :step"
)
_NAMED = Statement("SELECT id FROM body WHERE id IN [:ids] AND pack = 0")


async def sweep(store: Store) -> None:
    """Drops messages in the database that nobody needs. Run it every hour or so; it may be run at any time."""
    swept = store.bodies.swept
    today = store.clock.now() // DAY
    if swept.expired != today:
        await _drop_expired(store)
        swept.expired = today
    await _drop_nameless(store, swept)
    await _find_nameless(store, swept)


async def _drop_expired(store: Store) -> None:
    after = 0
    while last := await store.read(partial(_window, after)):
        for body in await store.run(partial(_expire, after, last), bulk=True):
            await database.drop_large(store.run, body)
        after = last


def _window(after: int, tx: Transaction) -> int | None:
    last: int | None = tx.value(_WINDOW, after=after, step=_STEP)
    return last


def _expire(after: int, last: int, tx: Transaction) -> list[int]:
    """Those of them that are large: their pieces are left."""
    expired = tx.all(_EXPIRED, after=after, last=last, now=tx.now)
    large = [body for body, length in expired if length > (database.SMALL - 1) * pieces.PIECE]
    pieces.drop([body for body, _ in expired if body not in large], tx)
    return large


async def _find_nameless(store: Store, swept: Swept) -> None:
    before = identifier.first_at(store.clock.now() - _YOUNG)
    while stored := await store.read(partial(_stored, swept.named, before)):
        swept.named = stored[-1]
        named = await store.read(partial(_named, stored))
        for body in stored:
            if body not in named and len(swept.nameless) < _REMEMBERED:
                swept.nameless[body] = store.clock.now()


async def _drop_nameless(store: Store, swept: Swept) -> None:
    latest = store.clock.now() - _SEEN_AGAIN
    for body in [body for body, found in swept.nameless.items() if found <= latest]:
        while await store.run(partial(_drop_unless_named, body), bulk=True):
            pass
        del swept.nameless[body]


def _stored(after: int, before: int, tx: Transaction) -> list[int]:
    return [row[0] for row in tx.all(_STORED, after=after, before=before, step=_STEP)]


def _named(ids: Sequence[int], tx: Transaction) -> set[int]:
    return {row[0] for row in tx.all(_NAMED, ids=ids)}


def _drop_unless_named(body: int, tx: Transaction) -> bool:
    """Some pieces. Whether there are more."""
    return not _named([body], tx) and pieces.drop_last(body, database.STEP // pieces.PIECE, tx)
