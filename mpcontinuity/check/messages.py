"""Messages of the index against their packs: rows of `body`, packs without rows, rows without packs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from mpcontinuity.check import describe
from mpcontinuity.check.inspection import Inspection
from mpcontinuity.model import identifier
from mpcontinuity.model.body import IN_DATABASE, Body
from mpcontinuity.model.clock import DAY, MINUTE
from mpcontinuity.store.bodies import layout, references, salvage
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.bodies.layout import HEADER_LENGTH, NO_DAY, Kind, Record
from mpcontinuity.store.bodies.packs import LOST, Packs, forget_unused_pack, insert_lost_pack, insert_pack
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.store.upkeep.verify import Fault, Packed, faults, walk

_PACKS = Statement("SELECT id, gone FROM pack WHERE id > :after ORDER BY id LIMIT 1000")
_NEXT_PACK = Statement("SELECT MIN(pack) FROM body WHERE pack > :after")
_OF_PACK = Statement(
    'SELECT id, pack, "offset", length, prefix, crc FROM body WHERE pack = :pack AND id > :after ORDER BY id LIMIT 1000'
)
_HAS_PACK = Statement("SELECT 1 FROM pack WHERE id = :id")
_USED_PACK = Statement("SELECT 1 FROM body WHERE pack = :id LIMIT 1")

_SIZES = [
    Statement(f"SELECT size FROM {table} WHERE body = :body LIMIT 1")
    for table in ("entry", "owed", "archive", "outgoing")
]

_KEPT_DAYS = 365
_YOUNG = 10 * MINUTE  # a pack of another process may get its row with the first commit


async def examine_packs(inspection: Inspection) -> None:
    """Compares the files of packs with the rows of `pack`."""
    store, now = inspection.store, inspection.store.clock.now()
    files = set(await store.bodies.background(store.packs.numbers))
    inspection.totals.packs = len(files)
    known: dict[int, int] = {}
    after = 0
    while step := await store.read(partial(_packs, after)):
        after = step[-1][0]
        known.update(step)
    busy = store.packs.busy(now)
    for pack in sorted(files - known.keys() - busy):
        if pack > identifier.first_at(now - _YOUNG) and inspection.serving:
            continue
        what = f"pack {identifier.show(pack)} is not in the index"
        if inspection.repair:
            await inspection.found("note", what, "is registered", partial(_register, inspection, pack))
        else:
            inspection.note(f"{what}: the next start, or --repair, registers it")
    for pack in sorted(known.keys() - files - {LOST, IN_DATABASE}):
        if known[pack] == 0 and await store.read(partial(_unused, pack)):
            what = f"pack {identifier.show(pack)} is in the index, but not there; no message is in it"
            await inspection.found("pack", what, "forgets it", partial(_forget, inspection, pack))


def _packs(after: int, tx: Transaction) -> list[tuple[int, int]]:
    return [(pack, gone) for pack, gone in tx.all(_PACKS, after=after)]


def _unused(pack: int, tx: Transaction) -> bool:
    return tx.one(_HAS_PACK, id=pack) is not None and tx.one(_USED_PACK, id=pack) is None


async def _register(inspection: Inspection, pack: int) -> str:
    kind, day = await inspection.store.bodies.background(partial(_header, inspection.store.packs, pack))
    await inspection.store.run(partial(insert_pack, pack, kind, day))
    return "registered"


def _header(packs: Packs, pack: int) -> tuple[Kind, int]:
    header = packs.header(pack)
    return (header.kind, header.day) if header is not None else (Kind.MAIL, NO_DAY)


async def _forget(inspection: Inspection, pack: int) -> str:
    return "forgotten" if await inspection.store.run(partial(forget_unused_pack, pack)) else ""


async def examine_messages(inspection: Inspection) -> list[tuple[Body, Fault]]:
    """Reads every message that the index knows, and returns those whose pack does not have them whole, each with its
    fault.
    """
    damaged: list[tuple[Body, Fault]] = []
    pack = IN_DATABASE - 1
    while (found := await inspection.store.read(partial(_next_pack, pack))) is not None:
        pack, after = found, 0
        inspection.step(f"reading pack {identifier.show(pack)}" if pack else "reading the messages in the database")
        while bodies := await inspection.store.read(partial(_of_pack, pack, after)):
            after = bodies[-1].id
            inspection.totals.messages += len(bodies)
            inspection.totals.octets += sum(body.length for body in bodies)
            for body, fault in await faults(inspection.store, bodies, quick=inspection.quick):
                if body == await inspection.store.read(partial(references.find, body_id=body.id)):
                    damaged.append((body, fault))  # else it was moved to another pack meanwhile
    return damaged


def _next_pack(after: int, tx: Transaction) -> int | None:
    found: int | None = tx.value(_NEXT_PACK, after=after)
    return found


def _of_pack(pack: int, after: int, tx: Transaction) -> list[Body]:
    return tx.records(Body, _OF_PACK, pack=pack, after=after)


async def locate(inspection: Inspection, wanted: set[int]) -> dict[int, Packed]:
    """Returns sound copies of the ``wanted`` messages, wherever packs have them; of several the newest."""
    store = inspection.store
    found: dict[int, Packed] = {}
    if not wanted:
        return found
    inspection.step(f"looking for {len(wanted)} messages in all packs")
    async for step in walk(store, await store.bodies.background(store.packs.numbers)):
        for packed in step:
            if (
                isinstance(packed, Packed)
                and packed.body.id in wanted
                and await store.bodies.background(partial(sound, store.packs, packed.body))
            ):
                found[packed.body.id] = packed
    return found


def sound(packs: Packs, body: Body) -> bool:
    """Tells whether the message in the pack matches its checksum."""
    try:
        return salvage.checksum(packs.file(body.pack), body.offset, body.length) == body.crc
    except OSError:
        return False


async def mend_messages(inspection: Inspection, damaged: Sequence[tuple[Body, Fault]]) -> None:
    """Tells of each damaged message, and repairs what another copy, the checksum or the index can make good."""
    located = await locate(inspection, {body.id for body, fault in damaged if fault is not Fault.HEAD})
    for body, fault in damaged:
        name = await inspection.store.read(partial(describe.message, body=body.id))
        where = f"pack {identifier.show(body.pack)} at {body.offset}" if body.pack else "the database"
        what = f"{name}: {fault.value} ({where}, {body.length} octets)"
        other = located.get(body.id)
        if other is not None:
            there = f"pack {identifier.show(other.body.pack)} at {other.body.offset}"
            remedy = f"the index names the sound copy in {there}"
            await inspection.found("message", what, remedy, partial(point, inspection, other.body))
        elif fault is Fault.HEAD:
            remedy = "the message is appended to another pack, with a head from the index"
            await inspection.found("message", what, remedy, partial(append_anew, inspection, body))
        elif fault is Fault.CONTENT and body.pack != IN_DATABASE and body.length <= salvage.MENDABLE:
            remedy = "a single flipped bit is turned back; otherwise it stays listed, and reading it says what is wrong"
            await inspection.found("message", what, remedy, partial(_mend_content, inspection, body))
        else:
            await inspection.found("message", what, "")


async def point(inspection: Inspection, body: Body) -> str:
    """Lets the index name the place of this copy. Returns in words what was done."""
    kind, day = await inspection.store.bodies.background(partial(_header, inspection.store.packs, body.pack))

    def work(tx: Transaction) -> None:
        insert_pack(body.pack, kind, day, tx)
        references.point(tx, body)

    await inspection.store.run(work)
    return f"now read from pack {identifier.show(body.pack)}"


async def append_anew(inspection: Inspection, body: Body, head: Head | None = None) -> str:
    """Appends the message to another pack, with ``head`` or the best that pack and index give, and lets the index name
    the new copy. Returns in words what was done. Raises Corrupt where the message cannot be read.
    """
    content = await inspection.store.bodies.read(body)
    return await _append(inspection, body, content, "appended to another pack", head)


async def _mend_content(inspection: Inspection, body: Body) -> str:
    found = await inspection.store.bodies.background(partial(_mended, inspection.store.packs, body))
    if found is None:
        return ""
    content, place = found
    done = f"one bit of octet {place} was flipped: turned back, the checksum matches; appended to another pack"
    return await _append(inspection, body, content, done)


async def _append(inspection: Inspection, body: Body, content: bytes, done: str, head: Head | None = None) -> str:
    store = inspection.store
    if head is None:
        head = await store.bodies.background(partial(_head, store.packs, body))
    if head is None:
        head = await store.read(partial(describe.head_of, body=body))
    if not head.decisions:  # home was asked first; without one the new pack would say: redirected
        decisions = await store.read(partial(describe.decisions, body=body.id))
        head = msgspec.structs.replace(head, decisions=decisions)
    await store.bodies.move(body, head, store.clock.now() // DAY + _KEPT_DAYS, _moved, content=content)
    return done


def _moved(old: Body, new: Body, tx: Transaction) -> None:
    references.point(tx, msgspec.structs.replace(new, id=old.id, prefix=old.prefix))


def _mended(packs: Packs, body: Body) -> tuple[bytes, int] | None:
    try:
        data = packs.file(body.pack).read(body.length, body.offset)
    except OSError:
        return None
    return salvage.mend(data, body.crc) if len(data) == body.length else None


def _head(packs: Packs, body: Body) -> Head | None:
    try:
        entry = layout.read_entry(packs.file(body.pack), body.offset - HEADER_LENGTH)
    except OSError:
        return None
    if entry is None or entry.record != Record.BODY:
        return None
    head = entry.head()
    return head if head.id == body.id else None


async def mend_lost(inspection: Inspection, lost: dict[int, set[str]]) -> None:
    """Tells of messages that rows refer to and the index does not have (`database.lost_bodies`), and puts back those
    that a pack has.
    """
    located = await locate(inspection, set(lost))
    for body, tables in sorted(lost.items()):
        name = await inspection.store.read(partial(describe.message, body=body))
        packed = located.get(body)
        if packed is None:
            what = f"{name}: named by {' and '.join(sorted(tables))}, but neither index nor packs have it"
            remedy = "stays listed, and reading it says that it is missing"
            await inspection.found("message", what, remedy, partial(_hold_place, inspection, body))
        else:
            what = f"{name}: named by {' and '.join(sorted(tables))}, but not in the index"
            remedy = f"is put back from pack {identifier.show(packed.body.pack)}"
            await inspection.found("message", what, remedy, partial(_put_back, inspection, packed.body))


async def _put_back(inspection: Inspection, body: Body) -> str:
    kind, day = await inspection.store.bodies.background(partial(_header, inspection.store.packs, body.pack))

    def work(tx: Transaction) -> None:
        insert_pack(body.pack, kind, day, tx)
        references.insert_body(tx, body, 0)

    await inspection.store.run(work)
    return f"put back from pack {identifier.show(body.pack)}"


async def _hold_place(inspection: Inspection, body: int) -> str:
    def work(tx: Transaction) -> None:
        insert_lost_pack(tx)
        size = next((tx.value(statement, body=body) for statement in _SIZES if tx.value(statement, body=body)), 1)
        references.insert_body(tx, Body(body, LOST, HEADER_LENGTH, size, 0, 0), 0)

    await inspection.store.run(work)
    return "the message itself is lost; what is known of it stays listed"
