"""``check``: what is wrong with the store, looked at beside the server's work or by the command where none runs."""

from __future__ import annotations

from typing import Any

import msgspec

from mpcontinuity.check.check import check as examine
from mpcontinuity.control.operation import Control


async def check(control: Control, repair: bool = False, quick: bool = False, older: bool = False) -> Any:
    """Counts what was looked at, found and repaired; the findings themselves are told as progress.

    ``older``: the database is an older copy, although it does not show. Raises Refused.
    """
    totals = await examine(
        control.store,
        control.settings.hostname,
        control.progress,
        serving=control.serving,
        repair=repair,
        quick=quick,
        older=older,
    )
    return msgspec.to_builtins(totals)
