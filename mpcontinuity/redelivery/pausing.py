"""Decides when a flush pauses, when a paused one tries again, and which refusals count (contract 'Recovery'). Pure."""

from __future__ import annotations

import enum

from mpcontinuity.accounts.taken import Standing
from mpcontinuity.model.reply import Outcome, Verdict
from mpcontinuity.model.settings import Retry
from mpcontinuity.routing.fault import closes, concerns_recipient
from mpcontinuity.routing.refusal import About

IN_A_ROW = 3
_SUSPECTS = 10_000  # addresses remembered; more than one home server has that are refused


class Step(enum.Enum):
    """What an outcome means for the flush."""

    ON = "on"
    PAUSE = "pause"
    RESUME = "resume"


class Pausing:
    """Whether one flush is paused. ``reason`` is home's reply while it is, else empty.

    Home may be back without its users. So a refused address that home took before pauses the flush, and the tries go
    round the others. When another one is taken, home has its users: whoever is refused still waits alone, owed until
    ``give_up``, because nobody can tell whether they left or were not restored.
    """

    def __init__(self, retry: Retry) -> None:
        self._retry = retry
        self.reason = ""
        self.interval = retry.first  # seconds until the next try of a paused flush
        self._refused: set[str] = set()  # recipients in a row
        self._unknown: set[str] = set()  # those of them that home does not know
        self._closed: set[str] = set()  # recipients for whom home ended the session, in a row
        self._closed_early = 0  # times in a row, before a recipient was named
        self._suspects: set[str] = set()  # refused, though home took them before

    def pause(self, reason: str) -> None:
        """Pauses the flush for this reason."""
        self.reason = reason
        self.interval = self._retry.first
        self._start_over()

    def resume(self) -> None:
        """Ends the pause: a message was taken."""
        self.reason = ""
        self._start_over()

    def start_over(self) -> None:
        """Ends the pause, as an administrator did: whatever is refused from now on is news."""
        self.resume()
        self._suspects.clear()

    def home_was_away(self) -> None:
        """Forgets who was refused: whatever is refused from now on is news. A pause stands."""
        self._suspects.clear()
        self._start_over()

    def tried(self) -> None:
        """Notes that a try of the paused flush changed nothing: the next one comes later."""
        self.interval = min(self.interval * 2, self._retry.longest)

    def counts(self, about: About, standing: Standing | None) -> bool:
        """Returns whether a refusal is the message's own, and a failure when its run ends without a pause."""
        if self.reason or about in (About.US, About.UNCLEAR):
            return False
        return about is not About.ADDRESS or standing is None or not standing.taken

    def judge(
        self,
        outcome: Outcome,
        recipient: str,
        *,
        trial: bool,
        about: About | None = None,
        standing: Standing | None = None,
    ) -> Step:
        """Returns what the outcome of an attempt means for the flush. Outcomes come as they are settled, in a row.

        ``trial``: the attempt began while the flush was paused. ``about`` is what a refusal is about, ``standing`` what
        is known of an address that home does not know or take.
        """
        recipient = recipient.lower()
        if outcome.verdict is Verdict.ACCEPTED:
            self._start_over()
            self._suspects.discard(recipient)
            return Step.RESUME if self.reason and trial else Step.ON
        lost = standing is not None and standing.taken and self._suspect(recipient)
        if self.reason:
            return Step.ON
        if about is About.US or lost:
            return Step.PAUSE
        if outcome.verdict is Verdict.REFUSED and recipient not in self._suspects:
            self._refused.add(recipient)
            if about is About.ADDRESS:
                self._unknown.add(recipient)
        if closes(outcome) and outcome.reply is not None:
            if concerns_recipient(outcome):
                self._closed.add(recipient)
            else:
                self._closed_early += 1
        nobody_left = standing is not None and len(self._unknown) >= max(standing.users, 2)
        if nobody_left or max(len(self._refused), len(self._closed), self._closed_early) >= IN_A_ROW:
            return Step.PAUSE
        return Step.ON

    def _suspect(self, recipient: str) -> bool:
        """Whether this refusal is news."""
        if recipient in self._suspects:
            return False
        if len(self._suspects) >= _SUSPECTS:
            self._suspects.clear()
        self._suspects.add(recipient)
        return True

    def _start_over(self) -> None:
        self._refused.clear()
        self._unknown.clear()
        self._closed.clear()
        self._closed_early = 0
