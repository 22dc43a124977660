"""The operation ``check``: what is wrong with the store, looked at beside the server's work or where none runs."""

from __future__ import annotations

import msgspec

from mpcontinuity.check.check import check as examine
from mpcontinuity.control.operation import Control


class CheckTotals(msgspec.Struct, frozen=True):
    """What a check has looked at, how much of it was wrong, and how much of that was put right."""

    messages: int
    octets: int
    packs: int
    mailboxes: int
    accounts: int
    findings: int
    repaired: int


async def check(control: Control, repair: bool = False, quick: bool = False, older: bool = False) -> CheckTotals:
    """Counts what was looked at, found and repaired; the findings themselves are told as progress.

    With ``quick`` messages are not read. ``older`` says that the database is an older copy, although it does not show.
    Raises Refused for ``repair`` while a server runs.
    """
    totals = await examine(
        control.store,
        control.settings.hostname,
        control.progress,
        serving=control.serving,
        repair=repair,
        quick=quick,
        older=older,
        jobs=control.jobs,
    )
    return CheckTotals(**msgspec.structs.asdict(totals))
