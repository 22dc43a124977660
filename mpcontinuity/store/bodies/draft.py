"""A message while it is received: small ones in memory, large ones in the file where they stay."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import crc32c
from twisted.logger import Logger

from mpcontinuity.model.clock import SECOND, Clock
from mpcontinuity.model.errors import Full
from mpcontinuity.store.bodies import layout
from mpcontinuity.store.bodies.layout import Kind
from mpcontinuity.store.bodies.packs import Packs
from mpcontinuity.store.disk import File, Mapped, temporary

MIB = 1 << 20

# Above this a message is written as it arrives: 1 MiB each is what thousands of sessions may cost in memory at once,
# and a copy of more would hold up the sync that small messages wait for.
SOLO = MIB

_log = Logger()


@dataclass(frozen=True, slots=True)
class Room:
    """How much may be taken in before it is kept."""

    # All drafts together: twenty messages of the largest size by default, so that slow senders cannot fill the disk.
    spool: int = 1024 * MIB
    # Left free on the disk: the WAL at its limit, its checkpoint, and what an administrator needs to make room.
    floor: int = 256 * MIB


# Octets that a message takes beside its own: its rows, their indexes, and the pages of the WAL that they are in first.
BESIDE = 16_384


class Spool:
    """What all drafts hold at a time, and what they will.

    The floor of free space holds for what is on the disk, on its way to it, and announced. It is measured once a
    second, and whenever what came since might have reached it. Of what is announced no more counts than may be held at
    a time: who announces much and sends nothing takes no more room than that.
    """

    def __init__(self, packs: Packs, room: Room, clock: Clock, *, becomes_pack: bool = True) -> None:
        """``becomes_pack``: a large message stays in the file that it was spooled to."""
        self.packs = packs
        self.becomes_pack = becomes_pack
        self.held = 0
        self._promised = 0  # announced, and yet to come
        self._on_disk = 0  # of what is held
        self._kept = 0  # octets that were held and are not since free space was measured: they may be on the disk
        self._clock = clock
        self._free = 0
        self._measured = 0
        self._room = room
        self._low = False
        self._lock = threading.Lock()

    def check(self, announced: int = 0) -> None:
        """Raises Full where no new message should be begun, or none of so many octets."""
        if self.held >= self._room.spool:
            raise Full(f"messages being received hold {self.held} octets already")
        now = self._clock.now()
        floor = self._room.floor + announced
        fresh = 0 <= now - self._measured < SECOND
        promised = min(self._promised, self._room.spool - self.held)
        if not fresh or self._free - self._kept - self.held - promised < floor:
            with self._lock:
                self._free = self.packs.disk.free(self.packs.folder)
                self._measured, self._kept = now, 0
        left = self._free - (self.held - self._on_disk) - promised
        self._say(left, left < self._room.floor)
        if left < floor:
            raise Full(f"only {max(left, 0)} octets are free on the disk")

    def _say(self, left: int, low: bool) -> None:
        if low is not self._low:
            self._low = low
            say, what = (_log.error, "no new messages until there is room") if low else (_log.info, "room again")
            say(
                "{free} octets are free on the disk, the floor is {floor}: {what}",
                free=left,
                floor=self._room.floor,
                what=what,
            )

    def promise(self, octets: int) -> None:
        """Counts octets that are announced, and to come."""
        with self._lock:
            self._promised += octets

    def take(self, octets: int, *, promised: int = 0) -> None:
        """Counts octets that have come, of which so many were promised. Raises Full."""
        with self._lock:
            if self.held + octets > self._room.spool:
                raise Full(f"messages being received hold {self.held} octets already")
            self.held += octets
            self._promised -= promised

    def written(self, octets: int) -> None:
        """Counts octets of what is held that are on the disk now."""
        with self._lock:
            self._on_disk += octets

    def give(self, octets: int, on_disk: int, promised: int) -> None:
        """Counts octets that are held no longer, and what of them was on the disk and promised."""
        with self._lock:
            self.held -= octets
            self._on_disk -= on_disk
            self._promised -= promised
            self._kept += octets + BESIDE


class Draft:
    """The octets of one message, in order. It is used in the reactor thread until it is kept."""

    def __init__(self, spool: Spool, kind: Kind, day: int, announced: int = 0) -> None:
        """``announced``: how many octets are to come, as far as anybody has said."""
        self.kind = kind
        self.day = day
        self.size = 0
        self.crc = 0
        self.number = 0  # of the solo pack, where it has one
        self.file: File | None = None
        self._spooled: Path | None = None
        self._spool = spool
        self._held = 0
        self._on_disk = 0  # of what is held
        self._promised = announced  # and yet to come
        self._checked = 0  # octets at which there was room last
        if announced:
            spool.promise(announced)
        self._pieces: list[bytes] = []  # of a small one; never changed in place once handed over
        self._handed_over = False

    def write(self, data: bytes) -> None:
        """Appends octets to the message. Raises Full where there is no room; the draft can then only be discarded."""
        promised = min(len(data), self._promised)
        self._spool.take(len(data), promised=promised)
        self._promised -= promised
        self._held += len(data)
        if self.size - self._checked >= MIB and not self._promised:  # nobody has said how much it will be
            self._checked = self.size
            self._spool.check()
        if self.file is not None:
            self._write(data)
        else:
            self._pieces.append(bytes(data))
            if self.size + len(data) > SOLO:
                self._spill()
        self.size += len(data)
        self.crc = crc32c.crc32c(data, self.crc)

    def content(self) -> Mapped:
        """Returns all of it, a large one as its mapped file. It is valid until the draft is discarded."""
        if self.file is None:
            if len(self._pieces) != 1:
                self._pieces = [b"".join(self._pieces)]
            return self._pieces[0]
        return self.file.map(layout.SOLO_BODY, self.size)

    def discard(self) -> None:
        """Gives back what it holds; nothing remains of a message that was not kept. May be called at any time."""
        self.release()
        self._pieces = []
        if not self._handed_over:
            self.drop_file()

    def __del__(self) -> None:
        self.discard()

    def hand_over(self) -> list[bytes]:
        """Returns the pieces of a small message. The caller owns the file of a large one from now on."""
        self._handed_over = True
        return self._pieces

    def drop_file(self) -> None:
        """Removes the file of a large message that is not kept."""
        if self.file is not None:
            self.file.close()
            self.file = None
        if self._spooled is not None:
            path, self._spooled = self._spooled, None
            try:
                self._spool.packs.disk.unlink(path)
            except OSError as error:
                _log.error("{path} stays until the next start: {error}", path=path, error=error)

    def kept(self) -> None:
        """Renames the spooled file, so that it is a pack of this one message. The caller syncs the folder.

        Raises OSError.
        """
        assert self._spooled is not None
        packs = self._spool.packs
        packs.disk.rename(self._spooled, packs.path(self.number))
        self._spooled = None

    def release(self) -> None:
        """Gives its share of the spool back, because the message is in a pack now."""
        held, on_disk, promised = self._held, self._on_disk, self._promised
        self._held = self._on_disk = self._promised = 0
        if held or promised:
            self._spool.give(held, on_disk, promised)

    def _spill(self) -> None:
        self._spool.check()
        data = b"".join(self._pieces)
        try:
            self.number, self._spooled, self.file = self._spool.packs.new_spool()
            if not self._spool.becomes_pack:  # it needs no name, and goes with the process
                self._spool.packs.disk.unlink(self._spooled)
                self._spooled = None
        except OSError as error:
            raise temporary(error, "the message cannot be spooled") from error
        self._pieces = []
        self._write(data, first=True)

    def _write(self, data: bytes, *, first: bool = False) -> None:
        assert self.file is not None
        try:
            self.file.write(data, layout.SOLO_BODY + (0 if first else self.size))
        except OSError as error:
            raise temporary(error, "the message cannot be spooled") from error
        self._spool.written(len(data))
        self._on_disk += len(data)
