"""Makes the index agree with packs: what home took although the commit that should have said so failed (design 13).

At start, and hourly for packs that are full. A pack is walked once, then sealed. Its torn tail, if it has one, is
left where it is: nothing is ever appended behind it, and it goes with the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import crc32c
from twisted.logger import Logger

from mpcontinuity.model import identifier
from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import DAY
from mpcontinuity.store import nodes
from mpcontinuity.store.bodies import layout, pieces, references
from mpcontinuity.store.bodies.head import TAKEN, Decided, Head
from mpcontinuity.store.bodies.layout import Kind, Record
from mpcontinuity.store.bodies.packs import Packs, insert_pack
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

# Writes archive and tracking of a message that home took; its row of `body` is there already.
Repair = Callable[[Transaction, Head, Body, Mapping[str, str]], None]

_ALL = Statement("SELECT id FROM pack")
_UNSEALED = Statement("SELECT id, node FROM pack WHERE sealed = 0 ORDER BY id")
_SEAL = Statement("UPDATE pack SET sealed = 1 WHERE id = :id")

# How long the row of a pack may take on several nodes: while the database is away, nobody looks for it either.
_UNRECORDED = DAY

_AT_ONCE = 500
_PIECE = 1 << 20

_log = Logger()


async def reconcile(store: Store, repair: Repair) -> int:
    """Takes into the index what packs alone have, and returns how many.

    A damaged message is reported and stops no other.
    """
    await _bury(store)
    await _register(store)
    busy = store.packs.busy(store.clock.now())
    missing = 0
    unsealed = await store.read(lambda tx: tx.all(_UNSEALED))
    others = await store.nodes.living({node for _, node in unsealed}) - {store.nodes.us}
    for pack, node in unsealed:
        if pack in busy or node in others:
            continue
        decided = await store.bodies.background(partial(_decided, store.packs, pack))
        for start in range(0, len(decided), _AT_ONCE):
            missing += await _repair(store, repair, decided[start : start + _AT_ONCE])
        await store.run(partial(_seal, pack), bulk=True)
    return missing


async def repair_unrecorded(store: Store, repair: Repair) -> int:
    """Does as `reconcile` with what is noted in memory (bodies/database.py).

    Run it every minute or so: where nothing is noted it costs nothing.
    """
    missing = 0
    for body, decisions in store.bodies.unrecorded():
        if await store.run(partial(_insert_noted, repair, body, decisions), bulk=True):
            _log.warn("message {message} is in the index now", message=identifier.show(body.id))
            missing += 1
        store.bodies.recorded(body.id)
    return missing


def _insert_noted(repair: Repair, body: Body, decisions: Mapping[str, str], tx: Transaction) -> bool:
    """Whether it was missing."""
    if references.find(tx, body.id) is not None:
        return False
    entry = pieces.entry(tx, body.id)
    if entry is None:
        _log.error("message {message} was taken by its home server, but is damaged", message=identifier.show(body.id))
        return False
    references.insert_body(tx, body, keep_until=tx.now)
    repair(tx, entry.head(), body, decisions)
    return True


def _seal(pack: int, tx: Transaction) -> None:
    tx.run(_SEAL, id=pack)


async def _bury(store: Store) -> None:
    """What nodes that are dead were receiving goes, and their rows where they have no pack to be looked through."""
    if store.election.alone:  # done when the store was opened
        return
    spoolers = await store.bodies.background(store.packs.spoolers)
    recorded = await store.read(nodes.everybody)
    dead = (spoolers | recorded) - await store.nodes.living(spoolers | recorded)
    if dead & spoolers:
        await store.bodies.background(partial(store.packs.drop_spools, dead))
    unsealed = {node for _, node in await store.read(lambda tx: tx.all(_UNSEALED))}
    if dead & recorded - unsealed:
        await store.run(partial(nodes.forget, dead & recorded - unsealed), bulk=True)


async def _register(store: Store) -> None:
    """Files without a row: the process ended after the first sync and before the first commit."""
    packs = store.packs
    numbers = await store.bodies.background(packs.numbers)
    if not store.election.alone:  # another node may be about to commit the row; after so long its process is gone
        latest = identifier.first_at(store.clock.now() - _UNRECORDED)
        numbers = [number for number in numbers if number < latest]
    known = {row[0] for row in await store.read(lambda tx: tx.all(_ALL))} | packs.busy(store.clock.now())
    for number in numbers:
        if number in known:
            continue
        kind_and_day = await store.bodies.background(partial(_looked_at, packs, number))
        if kind_and_day is None:
            packs.unlink(number)
            _log.info("dropped {pack}, in which nothing was written", pack=packs.path(number).name)
            continue
        await store.run(partial(insert_pack, number, *kind_and_day), bulk=True)


def _looked_at(packs: Packs, number: int) -> tuple[Kind, int] | None:
    """Kind and day of a pack; None where nothing but a header, or not even that, was written."""
    header = packs.header(number)
    if header is not None:
        return header.kind, header.day
    # A damaged header is no reason to drop what stands behind it.
    return (Kind.MAIL, layout.NO_DAY) if packs.file(number).size() > layout.FILE_LENGTH else None


def _decided(packs: Packs, pack: int) -> list[Decided]:
    """The outcome records of a pack that say 'home took it'."""
    try:
        file = packs.file(pack)
    except FileNotFoundError:
        _log.error("pack {pack} is missing", pack=packs.path(pack).name)
        return []
    header = layout.read_file_header(file)
    kind = header.kind if header else Kind.MAIL
    decided = [entry.decided() for entry in layout.entries(file, kind) if entry.record == Record.DECIDED]
    # What was redirected is noted once its commit is done: for an index that is lost, not for one that is current.
    return [record for record in decided if all(way == TAKEN for way in record.decisions.values())]


async def _repair(store: Store, repair: Repair, decided: Sequence[Decided]) -> int:
    present = await store.read(lambda tx: references.find_many(tx, [record.id for record in decided]))
    missing = [record for record in decided if record.id not in present]
    for record in missing:
        head = await store.bodies.background(partial(_head, store.packs, record))
        if head is None:
            where = identifier.show(record.pack)
            _log.error(
                "in pack {pack} at {offset}: was taken by its home server, but its entry is damaged",
                message=identifier.show(record.id),
                pack=where,
                offset=record.offset,
            )
            continue
        await store.run(partial(_insert, repair, head, record), bulk=True)
        _log.warn("is in the index again", message=identifier.show(record.id))
    return len(missing)


def _head(packs: Packs, record: Decided) -> Head | None:
    try:
        file = packs.file(record.pack)
    except FileNotFoundError:
        return None
    entry = layout.read_entry(file, record.offset - layout.HEADER_LENGTH)
    if entry is None or entry.record != Record.BODY or entry.length != record.length:
        return None
    crc = 0
    for start in range(0, entry.length, _PIECE):
        crc = crc32c.crc32c(file.read(min(_PIECE, entry.length - start), entry.offset + start), crc)
    return entry.head() if crc == record.crc else None


def _insert(repair: Repair, head: Head, record: Decided, tx: Transaction) -> None:
    if references.find(tx, record.id) is not None:
        return
    body = Body(record.id, record.pack, record.offset, record.length, record.prefix, record.crc)
    references.insert_body(tx, body, keep_until=tx.now)
    repair(tx, head, body, record.decisions)
