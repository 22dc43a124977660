"""Whether packs still say what the index knows of their messages, for the day on which the index is lost.

Packs are read entry by entry, except those that are being written. An outcome record in which a bit was flipped, and
what damage between entries has taken or hidden, is noted or appended again from the index.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from mpcontinuity.archive.record import INBOUND
from mpcontinuity.check import describe
from mpcontinuity.check.inspection import Inspection
from mpcontinuity.check.messages import append_anew
from mpcontinuity.model import identifier
from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import MINUTE
from mpcontinuity.model.owed import DELIVERED
from mpcontinuity.store.bodies import references
from mpcontinuity.store.bodies.head import Decided
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.store.upkeep.verify import Damage, Outcome, Packed, faults, walk

_UNSEALED = Statement("SELECT id, node FROM pack WHERE sealed = 0")
_WITHIN = Statement(
    'SELECT id, pack, "offset", length, prefix, crc FROM body '
    "WHERE pack = :pack AND body.offset >= :start AND body.offset < :stop ORDER BY id"
)
_DELIVERED = Statement(
    "SELECT id, body, recipient FROM owed WHERE state = 'delivered' AND id > :after ORDER BY id LIMIT 1000"
)

_STEP = 500
_UNDER_WAY = 10 * MINUTE  # an outcome follows its message within this time

Missing = list[tuple[int, dict[str, str]]]  # messages, and per recipient what became of them


async def examine_outcomes(inspection: Inspection) -> None:
    """Tells of outcome records that are damaged, and of messages that only the index can find, and notes or appends
    them again.
    """
    if not inspection.store.bodies.notes:  # packs of before: what becomes of their messages is nowhere noted
        return
    inspection.step("reading the outcomes in the packs")
    flipped: dict[tuple[int, frozenset[tuple[str, str]]], Outcome] = {}
    damage: list[Damage] = []
    packs = await _settled(inspection)
    async for step in walk(inspection.store, packs):
        for found in step:
            if isinstance(found, Damage):
                damage.append(found)
            elif isinstance(found, Outcome):
                if found.mended:
                    flipped[_key(found.decided)] = found
                else:  # also one that an earlier repair has noted again: packs are read in their order
                    flipped.pop(_key(found.decided), None)
    for outcome in flipped.values():
        where = f"pack {identifier.show(outcome.pack)} at {outcome.offset}"
        what = f"an outcome record has a flipped bit ({where}, of message {identifier.show(outcome.decided.id)})"
        remedy = "the bit is turned back, and the outcome noted in another pack"
        await inspection.found("pack", what, remedy, partial(_note_again, inspection, outcome.decided))
    for each in damage:
        await _examine_damage(inspection, each)
    if any(not each.gap.torn for each in damage):
        await _examine_lost(inspection)


def _key(decided: Decided) -> tuple[int, frozenset[tuple[str, str]]]:
    return decided.id, frozenset(decided.decisions.items())


async def _settled(inspection: Inspection) -> list[int]:
    """Packs that nobody appends to; with those that are written to, an end that looks torn is the present."""
    store = inspection.store
    unsealed: dict[int, int] = dict(await store.read(lambda tx: tx.all(_UNSEALED)))
    living = await store.nodes.living(set(unsealed.values())) - {store.nodes.us}
    busy = {pack for pack, node in unsealed.items() if inspection.serving or node in living}
    busy |= store.packs.busy(store.clock.now())
    return [pack for pack in await store.bodies.background(store.packs.numbers) if pack not in busy]


async def _note_again(inspection: Inspection, decided: Decided) -> str:
    body = Body(decided.id, decided.pack, decided.offset, decided.length, decided.prefix, decided.crc)
    inspection.store.bodies.note(body, decided.decisions)
    return "noted again"


async def _examine_damage(inspection: Inspection, damage: Damage) -> None:
    """Sound messages between two damaged places: the index finds them, a walk through the pack does not."""
    store, gap = inspection.store, damage.gap
    columns = {"pack": damage.pack, "start": gap.start, "stop": gap.stop}
    bodies = await store.read(lambda tx: tx.records(Body, _WITHIN, **columns))
    broken = {body.id for body, _ in await faults(store, bodies, quick=True)}  # told, message by message, before
    where = f"pack {identifier.show(damage.pack)} at {gap.start}"
    for body in bodies:
        if body.id not in broken:
            name = await store.read(partial(describe.message, body=body.id))
            what = f"{name}: is behind damage ({where}), where only the index finds it"
            remedy = "the message is appended to another pack"
            await inspection.found("message", what, remedy, partial(append_anew, inspection, body))
    if not bodies and not gap.torn:
        inspection.note(f"{where}: {gap.stop - gap.start} octets are damaged; no message of the index is there")


async def _examine_lost(inspection: Inspection) -> None:
    """What the index knows of messages and no pack says any more, because damage took it."""
    missing = await _missing(inspection)
    if missing:
        what = f"{len(missing)} outcomes of messages are in no pack any more, because of damage"
        remedy = "they are noted again, from the index"
        await inspection.found("pack", what, remedy, partial(_note_missing, inspection, missing))


async def _note_missing(inspection: Inspection, missing: Missing) -> str:
    store = inspection.store
    for begin in range(0, len(missing), _STEP):
        step = missing[begin : begin + _STEP]
        bodies = await store.read(partial(references.find_many, body_ids=[body for body, _ in step]))
        for body, decisions in step:
            if body in bodies:
                store.bodies.note(bodies[body], decisions)
    return "noted again"


async def _missing(inspection: Inspection) -> Missing:
    store = inspection.store
    latest = store.clock.now() - _UNDER_WAY
    undecided: set[int] = set()  # by their heads
    decided: set[int] = set()
    delivered: set[int] = set()  # hashes of message and recipient
    async for step in walk(store, await store.bodies.background(store.packs.numbers)):
        for found in step:
            if isinstance(found, Packed):
                if found.head.direction == INBOUND and not found.head.decisions and found.head.time < latest:
                    undecided.add(found.body.id)
            elif isinstance(found, Outcome):
                for recipient, way in found.decided.decisions.items():
                    if way == DELIVERED:
                        delivered.add(hash((found.decided.id, recipient)))
                    else:
                        decided.add(found.decided.id)
    missing: Missing = []
    left = sorted(undecided - decided)
    for begin in range(0, len(left), _STEP):
        missing += await store.read(partial(_known, left[begin : begin + _STEP]))
    after = 0
    while rows := await store.read(partial(_delivered, after)):
        after = rows[-1][0]
        missing += [(body, {to: DELIVERED}) for _, body, to in rows if hash((body, to)) not in delivered]
    return missing


def _known(bodies: Sequence[int], tx: Transaction) -> Missing:
    return [(body, decisions) for body in bodies if (decisions := describe.decisions(tx, body))]


def _delivered(after: int, tx: Transaction) -> list[tuple[int, int, str]]:
    return [tuple(row) for row in tx.all(_DELIVERED, after=after)]
