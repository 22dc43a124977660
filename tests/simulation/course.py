"""What must be true of how things change, from one look of the auditor to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from mpcontinuity.model.events import REDIRECTED_CODE
from mpcontinuity.model.owed import EXPIRED, FAILED, OUTCOMES
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from tests.simulation.home import BAD

if TYPE_CHECKING:
    from tests.simulation.play import Play

_ENTRIES = Statement("SELECT id, flags, modseq FROM entry")
_OWED = Statement(
    """SELECT owed.id, owed.recipient, owed.kind, owed.state, last_text, owed.ended, domain.name, domain.paused,
        domain.state, domain.since, domain.last_failure, tracking.received,
        COALESCE(tracking.events, '[]')
    FROM owed JOIN domain ON domain.id = owed.domain LEFT JOIN tracking ON tracking.owed = owed.id"""
)

_OWN = ("Unknown", "Spam")  # of all that the moods of homes say, what is about a message
_AWAY = "Redirect because: the home server is away: it does not answer"  # nobody saw it fail
_REFUSED = "Failed, refused: "  # at the end of a run
_REOPENED = "Reopened by "

_events = msgspec.json.Decoder(list[tuple[int, str, int, str]])


class Course:
    def __init__(self, play: Play) -> None:
        self._play = play
        self._flags: dict[int, tuple[int, int]] = {}  # entry: flags, modseq
        self._ended: dict[int, str] = {}  # owed: outcome
        self._owed: set[int] = set()
        self._paused: dict[str, int] = {}  # by domain: when its flush paused last, by the wall clock
        self._failed_before: dict[str, set[int]] = {}  # by domain: what was seen as failed before that; clocks jump
        self._failed: set[int] = set()  # owed

    def look(self, tx: Transaction) -> None:
        for entry, flags, modseq in tx.all(_ENTRIES):
            before = self._flags.get(entry)
            if before is not None and before[0] != flags and before[1] >= modseq:
                self._play.fault(f"the flags of UID {entry & 0xFFFFFFFF} changed, and its modseq is {modseq} still")
            self._flags[entry] = (flags, modseq)
        for owed, recipient, kind, state, text, ended, domain, paused, *home, received, events in tx.all(_OWED):
            self._judge_end(owed, state, text, events)
            if state == FAILED:
                self._failed.add(owed)
                late = paused and ended >= self._paused.get(domain, ended + 1)
                if late and owed not in self._failed_before[domain] and _REFUSED in events:
                    self._play.fault(f"a message failed although the flush had paused: {text}")
            if owed not in self._owed:
                self._owed.add(owed)
                self._judge_redirect(received, home, events)
                if self._play.story.gentle and not recipient.startswith(f"{BAD}@"):
                    self._play.fault(f"a message of a healthy home server was redirected: {recipient} {kind} {events}")

    def paused(self, domain: str) -> None:
        """The flush says so."""
        self._paused[domain] = self._play.machine.clock.now()
        self._failed_before[domain] = set(self._failed)

    def _judge_end(self, owed: int, state: str, text: str, events: str) -> None:
        before = self._ended.get(owed)
        if before is not None and before != state and not (before in (FAILED, EXPIRED) and _REOPENED in events):
            self._play.fault(f"a message that was {before} is {state}")
        if state in OUTCOMES:
            self._ended[owed] = state
            if state == FAILED and before is None and not any(each in text for each in _OWN):
                self._play.fault(f"a message failed for a refusal that is not its own: {text}")

    def _judge_redirect(self, received: int | None, home: tuple[str, int, int] | list[object], events: str) -> None:
        """From the begin of a recovery new mail is passed through (contract 'Recovery')."""
        state, since, last_failure = home
        assert isinstance(since, int)
        if state != "recovering" or last_failure or received is None or received < since:
            return
        if any(code == REDIRECTED_CODE and text == _AWAY for _, _, code, text in _events.decode(events)):
            self._play.fault("a message was redirected although its home server recovers")
