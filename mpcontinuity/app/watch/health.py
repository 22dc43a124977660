"""Whether the process serves (/healthz), and whether mail should be sent to it now (/readyz)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import msgspec
from twisted.logger import Logger

from mpcontinuity.app.watch.overview import Overview
from mpcontinuity.app.watch.single_flight import SingleFlight
from mpcontinuity.model.errors import Full
from mpcontinuity.model.timer import Timer
from mpcontinuity.store import meta
from mpcontinuity.store.revision import HEAD
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.web.answers import Answer

# A commit takes milliseconds, on a bad disk a second. One that takes this long does not come back by itself.
WEDGED_AFTER: Final = 30.0  # s
# A commit that recent shows that the store takes mail; beyond it a tiny one is made.
_RECENT = 5.0  # s
_WITHIN = 2.0  # s for what a check waits for: balancers give up after some seconds

_PROBE = "readiness"  # the key in `meta` that a commit is tried with

_log = Logger()


class Acceptor(Protocol):
    """What lets clients in (listening.gatekeeper.Gatekeeper)."""

    @property
    def accepting(self) -> bool:
        """Whether connections are accepted now."""
        ...


class Health:
    """Judges the server for /healthz and /readyz. ``stopping`` is set when a shutdown begins."""

    def __init__(
        self, store: Store, doors: Acceptor, overview: Overview, timer: Timer, *, floor: int, begun: Callable[[], bool]
    ) -> None:
        """``floor`` is the octets of free space below which no mail is taken. ``begun`` says whether the server has
        started.
        """
        self._store = store
        self._doors = doors
        self._overview = overview
        self._floor = floor
        self._begun = begun
        self._probing: SingleFlight[str] = SingleFlight(self._commit, timer, within=_WITHIN)
        self._said: list[str] = []
        self.stopping = False

    async def live_page(self) -> Answer:
        """Answers /healthz: 200, or 503 and why this process should be restarted."""
        wedged = self.wedged()
        return Answer(f"{wedged}\n".encode(), 503) if wedged else Answer(b"ok\n")

    async def ready_page(self) -> Answer:
        """Answers /readyz with ``{"ready": bool, "reasons": [text, …]}``, and 503 where mail should not be sent here
        now.
        """
        reasons = await self.unready()
        self._say(reasons)
        body = msgspec.json.encode({"ready": not reasons, "reasons": reasons}) + b"\n"
        return Answer(body, 503 if reasons else 200, "application/json")

    def wedged(self) -> str:
        """Returns why this process should be restarted; an empty text where it should not. That it answers at all shows
        that the reactor runs.
        """
        begun = self._store.figures.commit_begun
        seconds = self._store.figures.monotonic() - begun
        return f"the store has not finished a commit for {seconds:.0f} s" if begun and seconds > WEDGED_AFTER else ""

    async def unready(self) -> list[str]:
        """Returns the reasons why mail should not be sent here now."""
        if self.stopping:
            return ["the server stops"]
        if not self._begun():
            return ["the server starts"]
        reasons = [
            "" if self._doors.accepting else "no connections are accepted: there are too many",
            *await self._of_state(),
            self.wedged() or await self._unwritable(),
        ]
        return [reason for reason in reasons if reason]

    async def _of_state(self) -> list[str]:
        state = await self._overview.get()
        if state is None:
            return ["the store cannot be read"]
        reasons = []
        if state.disk_free < self._floor:
            reasons.append(f"{state.disk_free} octets are free on the disk, mail is refused below {self._floor}")
        if state.schema < HEAD:  # a newer one is that of an upgrade under way, which leaves us what we know
            reasons.append(f"the database has schema {state.schema or 'none'}, this version needs {HEAD}")
        return reasons

    async def _unwritable(self) -> str:
        """Whether a transaction can be committed: a recent one shows it, else one is made, however many ask."""
        figures = self._store.figures
        if figures.last_commit and figures.monotonic() - figures.last_commit < _RECENT:
            return ""
        reason = await self._probing.get()
        return f"the store does not finish a commit within {_WITHIN:.0f} s" if reason is None else reason

    async def _commit(self) -> str:
        try:
            await self._store.run(_probe)
        except Full as error:
            return f"the store is full: {error}"
        except Exception as error:
            return f"the store cannot be written: {error or type(error).__name__}"
        return ""

    def _say(self, reasons: list[str]) -> None:
        if bool(reasons) != bool(self._said) and not self.stopping:
            if reasons:
                _log.warn("not ready: {reasons}", reasons="; ".join(reasons))
            else:
                _log.info("ready again")
        self._said = reasons


def _probe(tx: Transaction) -> None:
    meta.put(tx, _PROBE, str(tx.now))
