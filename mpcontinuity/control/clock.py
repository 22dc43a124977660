"""The operation ``clock``: how far the server believes its clock, which `doctor` asks."""

from __future__ import annotations

import msgspec

from mpcontinuity.control.operation import Control
from mpcontinuity.model.clock import LASTED, SECOND, iso
from mpcontinuity.store import timekeeping


class ClockJump(msgspec.Struct, frozen=True):
    """A jump of the clock: when it was seen (ISO 8601), by how many seconds, and both in words."""

    time: str
    seconds: int
    text: str


class ClockRow(msgspec.Struct, frozen=True):
    """The time that is believed (ISO 8601), whether what is old is dropped by it, and its jumps, the oldest first."""

    time: str
    trusted: bool
    jumps: list[ClockJump]


async def clock(control: Control) -> ClockRow:
    """Returns the time as the server believes it, and the last jumps of the machine's clock."""
    known = await control.store.read(timekeeping.known)
    jumps = [ClockJump(iso(jump.time), jump.by // SECOND, timekeeping.told(jump)) for jump in known.jumps]
    return ClockRow(iso(control.store.clock.now()), control.store.trusts_time(LASTED), jumps)
