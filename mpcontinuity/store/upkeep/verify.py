"""Whether rows of `body` and packs agree, and all that packs hold; in steps of a reader's thread."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from mpcontinuity.model.body import IN_DATABASE, Body
from mpcontinuity.model.errors import Corrupt
from mpcontinuity.store.bodies import layout, salvage
from mpcontinuity.store.bodies.head import Decided, Head
from mpcontinuity.store.bodies.layout import HEADER_LENGTH, Entry, Kind, Record
from mpcontinuity.store.bodies.packs import Packs
from mpcontinuity.store.bodies.salvage import Gap
from mpcontinuity.store.disk import File
from mpcontinuity.store.store import Store

# What one step reads before others have their turn.
STEP_ROWS = 500
STEP_OCTETS = 16 << 20


class Fault(enum.Enum):
    """What is wrong with a row of `body` or the place that it names. The values are shown."""

    MISSING = "its pack is missing"
    SHORT = "its pack is cut short before its end"
    CONTENT = "it does not match its checksum"
    ROW = "the index has it with another length or checksum than its pack"
    HEAD = "its entry in the pack is damaged, the message itself is not"


async def faults(store: Store, bodies: Sequence[Body], *, quick: bool) -> list[tuple[Body, Fault]]:
    """Returns those of the rows that are not as they should be. ``quick`` does not read the messages themselves."""
    found: list[tuple[Body, Fault]] = []
    in_database = [body for body in bodies if body.pack == IN_DATABASE]
    for step in _steps(in_database):
        contents = await store.bodies.read_many(step)
        found += [
            (body, Fault.CONTENT) for body, content in zip(step, contents, strict=True) if isinstance(content, Corrupt)
        ]
    for step in _steps([body for body in bodies if body.pack != IN_DATABASE]):
        found += await store.bodies.background(partial(_faults, store.packs, step, quick))
    return found


def _steps(bodies: Sequence[Body]) -> Iterator[Sequence[Body]]:
    begin = octets = 0
    for place, body in enumerate(bodies):
        if place > begin and (octets + body.length > STEP_OCTETS or place - begin == STEP_ROWS):
            yield bodies[begin:place]
            begin, octets = place, 0
        octets += body.length
    if bodies[begin:]:
        yield bodies[begin:]


def _faults(packs: Packs, bodies: Sequence[Body], quick: bool) -> list[tuple[Body, Fault]]:
    found = []
    for body in bodies:
        try:
            fault = _fault(packs.file(body.pack), body, quick)
        except FileNotFoundError:
            fault = Fault.MISSING
        except OSError:  # a sector that cannot be read
            fault = Fault.CONTENT
        if fault is not None:
            found.append((body, fault))
    return found


def _fault(file: File, body: Body, quick: bool) -> Fault | None:
    if body.offset < HEADER_LENGTH or body.offset + body.length > file.size():
        return Fault.SHORT
    entry = layout.read_entry(file, body.offset - HEADER_LENGTH)
    ours = entry is not None and entry.record == Record.BODY and entry.head().id == body.id
    agreed = entry is not None and ours and (entry.length, entry.crc) == (body.length, body.crc)
    if quick and agreed:
        return None
    if salvage.checksum(file, body.offset, body.length) == body.crc:
        return None if agreed else Fault.HEAD
    if entry is not None and ours and not agreed and salvage.checksum(file, entry.offset, entry.length) == entry.crc:
        return Fault.ROW
    return Fault.CONTENT


@dataclass(frozen=True, slots=True)
class Packed:
    """A message as a pack has it, not checked yet. ``decisions`` are those of its head, or of an outcome record."""

    body: Body
    kind: Kind
    day: int  # of its pack
    head: Head
    mended: bool = False  # its entry in the pack is damaged


@dataclass(frozen=True, slots=True)
class Outcome:
    """An outcome record and where it begins, with the message that it is about where that can be read."""

    pack: int
    offset: int
    decided: Decided
    packed: Packed | None
    mended: bool  # it is damaged


@dataclass(frozen=True, slots=True)
class Damage:
    """A part of a pack that cannot be read."""

    pack: int
    gap: Gap


async def walk(store: Store, packs: Sequence[int]) -> AsyncIterator[list[Packed | Outcome | Damage]]:
    """Gives all that these packs hold, in their order, a step at a time."""
    for pack in packs:
        walking = _walk(store.packs, pack)
        while step := await store.bodies.background(partial(_take, walking)):
            yield step


def _take(walking: Iterator[Packed | Outcome | Damage]) -> list[Packed | Outcome | Damage]:
    return [found for _, found in zip(range(STEP_ROWS), walking, strict=False)]


def _walk(packs: Packs, pack: int) -> Iterator[Packed | Outcome | Damage]:
    try:
        file = packs.file(pack)
    except FileNotFoundError:  # dropped meanwhile
        return
    kind, day = _header(file)
    for entry in salvage.entries(file, kind):
        if isinstance(entry, Gap):
            yield Damage(pack, entry)
        elif entry.record == Record.BODY:
            yield _packed(pack, kind, day, entry)
        elif entry.record == Record.DECIDED:
            decided = entry.decided()
            yield Outcome(pack, entry.offset - HEADER_LENGTH, decided, _decided(packs, decided), entry.mended)


def _header(file: File) -> tuple[Kind, int]:
    """Kind and day of a pack; of one whose header is damaged, what its entries are found by."""
    header = layout.read_file_header(file)
    if header is not None:
        return header.kind, header.day
    solo = layout.read_entry(file, layout.SOLO_BODY - HEADER_LENGTH)
    return (Kind.SOLO if solo is not None else Kind.MAIL), layout.NO_DAY


def _packed(pack: int, kind: Kind, day: int, entry: Entry) -> Packed:
    head = entry.head()
    body = Body(head.id, pack, entry.offset, entry.length, head.prefix, entry.crc)
    return Packed(body, kind, day, head, entry.mended)


def _decided(packs: Packs, decided: Decided) -> Packed | None:
    try:
        file = packs.file(decided.pack)
    except FileNotFoundError:
        return None
    entry = layout.read_entry(file, decided.offset - HEADER_LENGTH)
    if entry is None or entry.record != Record.BODY or entry.head().id != decided.id:
        return None
    kind, day = _header(file)
    return _packed(decided.pack, kind, day, entry)
