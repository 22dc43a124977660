"""What `doctor` asks of the clock."""

from __future__ import annotations

from typing import Any

from mpcontinuity.control.operation import Control
from mpcontinuity.model.clock import LASTED, SECOND, iso
from mpcontinuity.store import timekeeping


async def clock(control: Control) -> Any:
    """``time`` that is believed, whether what is old is dropped by it, and its last jumps, the oldest first."""
    known = await control.store.read(timekeeping.known)
    return {
        "time": iso(control.store.clock.now()),
        "trusted": control.store.trusts_time(LASTED),
        "jumps": [
            {"time": iso(jump.time), "seconds": jump.by // SECOND, "text": timekeeping.told(jump)}
            for jump in known.jumps
        ],
    }
