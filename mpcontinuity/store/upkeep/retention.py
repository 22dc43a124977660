"""Dropping what is no longer needed, by whole packs; what must live on is moved first (design 9).

Every step is a short transaction of the bulk lane, so that a sweep of a million messages holds up none.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

import msgspec
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import DAY, MINUTE
from mpcontinuity.model.errors import Corrupt
from mpcontinuity.store import meta
from mpcontinuity.store.bodies import layout, references
from mpcontinuity.store.bodies.files import SOLO
from mpcontinuity.store.bodies.head import TAKEN, Head
from mpcontinuity.store.bodies.packs import Packs
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.store.upkeep import garbage

# A reader that has read a row of `body` reads the pack within that time, or reads the row once more.
GRACE = 10 * MINUTE

_INBOUND = "inbound"  # Head.direction
_ROWS = 500  # per step
_MOVED = 100  # messages per step: at most 100 MiB in memory, since larger ones have packs of their own

# How long what is moved may stay in its next pack: most of it is in mailboxes, and lives for years.
_KEPT_DAYS = 365
# A pack of which more than half is still needed is not worth the copy yet.
_MOSTLY_NEEDED_DAYS = 30

_EXPIRED = Statement(
    "SELECT id, kind FROM pack WHERE day <= :today AND gone = 0 AND sealed = 1 ORDER BY day, id LIMIT 100"
)
_DROP = Statement(
    "DELETE FROM body WHERE id IN (SELECT b.id FROM body b WHERE b.pack = :pack AND b.keep_until <= :now"
    " AND NOT EXISTS (SELECT 1 FROM entry WHERE entry.body = b.id)"
    " AND NOT EXISTS (SELECT 1 FROM owed WHERE owed.body = b.id)"
    " AND NOT EXISTS (SELECT 1 FROM archive WHERE archive.body = b.id)"
    " AND NOT EXISTS (SELECT 1 FROM outgoing WHERE outgoing.body = b.id)"
    " LIMIT :rows)"
)
_LEFT = Statement(
    'SELECT id, pack, "offset", length, prefix, crc FROM body'
    " WHERE pack = :pack AND id > :after ORDER BY id LIMIT :rows"
)
# Of what is left, what nobody has in a mailbox and is owed to nobody: the archive holds it.
_ARCHIVED_ALONE = Statement(
    "SELECT b.id FROM body b WHERE b.id IN [:bodies]"
    " AND NOT EXISTS (SELECT 1 FROM entry WHERE entry.body = b.id)"
    " AND NOT EXISTS (SELECT 1 FROM owed WHERE owed.body = b.id)"
    " AND NOT EXISTS (SELECT 1 FROM outgoing WHERE outgoing.body = b.id)"
)
_DUE_NOW = Statement(
    "UPDATE pack SET day = :today WHERE id IN [:packs] AND day > :today AND gone = 0 AND sealed = 1"
    " AND NOT EXISTS (SELECT 1 FROM body JOIN archive ON archive.body = body.id WHERE body.pack = pack.id)"
)
# A pack of its own, which one large message has.
_ALONE_DUE_NOW = Statement(
    f"UPDATE pack SET day = :today WHERE id IN (SELECT pack FROM body WHERE id IN [:bodies]) AND kind = '{SOLO}'"
    " AND day > :today AND gone = 0 AND sealed = 1"
    " AND NOT EXISTS (SELECT 1 FROM body JOIN archive ON archive.body = body.id WHERE body.pack = pack.id)"
)
_PACKS = Statement("SELECT DISTINCT pack FROM body WHERE id IN [:bodies]")
_LEFT_OCTETS = Statement("SELECT COALESCE(SUM(length), 0) FROM body WHERE pack = :pack")
_POSTPONE = Statement("UPDATE pack SET day = :day WHERE id = :pack")
_GO = Statement("UPDATE pack SET gone = :gone WHERE id = :pack")
# A backup copies packs that its snapshot names, also such as are no longer needed since.
_GONE = Statement(
    "SELECT id FROM pack WHERE gone > 0 AND gone <= :now AND NOT EXISTS "
    "(SELECT 1 FROM meta WHERE key = 'backup' AND CAST(value AS BIGINT) > :now) LIMIT 100"
)
_HELD = "backup"  # the key in `meta` of the time (µs) until which no pack goes
_FORGET = Statement("DELETE FROM pack WHERE id = :pack")

_log = Logger()


async def sweep(store: Store) -> None:
    """Drops rows and packs whose day has come. Run it every hour or so; it may be run at any time."""
    await _sweep_packs(store)
    await garbage.sweep(store)


def hold(tx: Transaction, until: int) -> None:
    """Keeps every process from unlinking packs until that time (µs), or `release`."""
    meta.put(tx, _HELD, str(until))


def release(tx: Transaction) -> None:
    """Lets packs be unlinked again."""
    meta.remove(tx, _HELD)


def packs_of(tx: Transaction, bodies: Collection[int]) -> set[int]:
    """Returns the packs that these bodies are in."""
    return {row[0] for row in tx.all(_PACKS, bodies=bodies)}


def due_now(tx: Transaction, packs: Collection[int]) -> None:
    """Has those of the packs that hold nothing of the archive any more looked through by the next sweep."""
    tx.run(_DUE_NOW, packs=packs, today=tx.now // DAY)


def alone_due_now(tx: Transaction, bodies: Collection[int]) -> None:
    """Has the packs of those of the messages that are alone in theirs, being large, looked through by the next sweep:
    they are not needed any more, but for what the sweep finds."""
    tx.run(_ALONE_DUE_NOW, bodies=bodies, today=tx.now // DAY)


async def _sweep_packs(store: Store) -> None:
    while gone := await store.read(lambda tx: tx.all(_GONE, now=tx.now)):
        for (pack,) in gone:
            await store.bodies.background(partial(store.packs.unlink, pack))
            await store.run(partial(_forget, pack), bulk=True)
    today = store.clock.now() // DAY
    while expired := await store.read(lambda tx: tx.all(_EXPIRED, today=today)):
        for pack, kind in expired:
            await _empty(store, pack, kind, today)


async def _empty(store: Store, pack: int, kind: str, today: int) -> None:
    """Towards a pack that nothing refers to."""
    while await store.run(partial(_drop, pack), bulk=True) == _ROWS:
        pass
    needed = await store.read(lambda tx: tx.value(_LEFT_OCTETS, pack=pack))
    octets = await store.bodies.background(partial(_size, store.packs, pack))
    if not store.bodies.gathers(kind, octets, needed):
        await _postpone(store, pack, today + (_KEPT_DAYS if kind == SOLO else _MOSTLY_NEEDED_DAYS))
    elif await _move_all(store, pack, today):
        await store.run(partial(_let_go, pack), bulk=True)
    else:  # what is damaged stays where it is, for whoever can repair it
        await _postpone(store, pack, today + _MOSTLY_NEEDED_DAYS)


def _drop(pack: int, tx: Transaction) -> int:
    return tx.run(_DROP, pack=pack, now=tx.now, rows=_ROWS)


def _left(pack: int, after: int, tx: Transaction) -> list[Body]:
    return tx.records(Body, _LEFT, pack=pack, after=after, rows=_MOVED)


def _forget(pack: int, tx: Transaction) -> None:
    tx.run(_FORGET, pack=pack)


def _let_go(pack: int, tx: Transaction) -> None:
    tx.run(_GO, pack=pack, gone=tx.now + GRACE)


def _set_day(pack: int, day: int, tx: Transaction) -> None:
    tx.run(_POSTPONE, pack=pack, day=day)


async def _postpone(store: Store, pack: int, day: int) -> None:
    await store.run(partial(_set_day, pack, day), bulk=True)


def _size(packs: Packs, pack: int) -> int:
    try:
        return packs.file(pack).size()
    except FileNotFoundError:
        return 0


async def _move_all(store: Store, pack: int, today: int) -> bool:
    """Whether everything that was left is in another pack now."""
    whole = True
    after = 0
    while True:
        bodies = await store.read(partial(_left, pack, after))
        if not bodies:
            return whole
        after = bodies[-1].id
        whole &= await _move(store, bodies, today)


async def _move(store: Store, bodies: Sequence[Body], today: int) -> bool:
    heads = await store.bodies.background(partial(_heads, store.packs, bodies))
    alone = await store.read(partial(_archived_alone, [body.id for body in bodies]))
    heads = [
        _as_archived(head) if head and body.id in alone else head for body, head in zip(bodies, heads, strict=True)
    ]
    moves = [
        Deferred.fromCoroutine(store.bodies.move(body, head, today + _KEPT_DAYS, _moved)) if head else None
        for body, head in zip(bodies, heads, strict=True)
    ]
    whole = True
    for body, move in zip(bodies, moves, strict=True):
        try:
            if move is None:
                raise Corrupt(f"the head of {body}")
            await move
        except Corrupt as error:
            _log.error("cannot be moved to a new pack: {error}", error=error)
            whole = False
    return whole


def _archived_alone(bodies: Sequence[int], tx: Transaction) -> set[int]:
    return {row[0] for row in tx.all(_ARCHIVED_ALONE, bodies=bodies)}


def _as_archived(head: Head) -> Head:
    """Says of what came in that nobody is owed it: an index that is made from packs puts it into no INBOX again."""
    if head.direction != _INBOUND:
        return head
    return msgspec.structs.replace(head, decisions=dict.fromkeys(head.recipients, TAKEN))


def _moved(old: Body, new: Body, tx: Transaction) -> None:
    references.move(tx, old, new)


def _heads(packs: Packs, bodies: Sequence[Body]) -> list[Head | None]:
    heads: list[Head | None] = []
    for body in bodies:
        try:
            entry = layout.read_entry(packs.file(body.pack), body.offset - layout.HEADER_LENGTH)
        except FileNotFoundError:
            entry = None
        heads.append(entry.head() if entry else None)
    return heads
