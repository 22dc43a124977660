"""What one run of the check is given, tells and counts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec

from mpcontinuity.children.pool import Jobs
from mpcontinuity.model.errors import Temporary
from mpcontinuity.store.driver import Conflict
from mpcontinuity.store.store import Store

Kind = Literal["database", "pack", "message", "mailbox", "ledger", "tracking", "index", "note"]
Mend = Callable[[], Awaitable[str]]
Progress = Callable[[dict[str, Any]], None]


class Finding(msgspec.Struct, frozen=True):
    """One thing that is not as it should be. A ``note`` is no fault: what it tells of mends itself, or was only left
    out.
    """

    kind: Kind
    what: str  # names what it is about
    remedy: str  # what --repair does about it; empty: nothing can be done here
    repaired: str = ""  # what was done


class Totals(msgspec.Struct):
    """Counts what the check has looked at, what it has found and what it has repaired."""

    messages: int = 0
    octets: int = 0
    packs: int = 0
    mailboxes: int = 0
    accounts: int = 0
    findings: int = 0
    repaired: int = 0


class Inspection:
    """One run of the check: what it is to do, what it tells, and what it has counted so far."""

    def __init__(
        self,
        store: Store,
        hostname: str,
        progress: Progress,
        *,
        serving: bool,
        repair: bool,
        quick: bool,
        older: bool,
        jobs: Jobs,
    ) -> None:
        """``hostname`` is the server's own, whose postmaster has mail though no domain is called so. ``progress`` hears
        steps and findings as values of JSON.

        ``serving`` says that mail comes and goes meanwhile, ``repair`` that what is found is to be mended, ``quick``
        that the messages themselves are not read, and ``older`` that the database knows less than the packs beside it
        (store/upkeep/generation.py). ``jobs`` begins what child processes do.
        """
        self.store = store
        self.hostname = hostname
        self.serving = serving
        self.repair = repair
        self.quick = quick
        self.older = older
        self.jobs = jobs
        self.totals = Totals()
        self._progress = progress

    def step(self, text: str) -> None:
        """Tells what is looked at next."""
        self._progress({"step": text})

    async def found(self, kind: Kind, what: str, remedy: str = "", mend: Mend | None = None) -> None:
        """Tells of a finding, and mends it first where the check repairs.

        ``remedy`` says what the repair does; it is empty where nothing can be done here. ``mend`` does it and returns
        what it did in words; an empty text means that it could not.
        """
        repaired = ""
        if self.repair and mend is not None:
            try:
                repaired = await mend()
            except (Conflict, Temporary) as error:
                remedy = f"{remedy} (tried, but the database refused: {error})"
        if kind != "note":
            self.totals.findings += 1
            self.totals.repaired += bool(repaired)
        self._say(Finding(kind, what, remedy, repaired))

    def note(self, what: str) -> None:
        """Tells what the administrator should know and nothing is wrong with."""
        self._say(Finding("note", what, ""))

    def _say(self, finding: Finding) -> None:
        self._progress({"finding": msgspec.to_builtins(finding)})
