"""The operation ``check``: what is wrong with the store, looked at beside the server's work or where none runs."""

from __future__ import annotations

from mpcontinuity.check.check import check as examine
from mpcontinuity.check.inspection import Totals
from mpcontinuity.control.operation import Control


async def check(control: Control, repair: bool = False, quick: bool = False, older: bool = False) -> Totals:
    """Counts what was looked at, found and repaired; the findings themselves are told as progress.

    With ``quick`` messages are not read. ``older`` says that the database is an older copy, although it does not show.
    Raises Refused for ``repair`` while a server runs.
    """
    return await examine(
        control.store,
        control.settings.hostname,
        control.progress,
        serving=control.serving,
        repair=repair,
        quick=quick,
        older=older,
    )
