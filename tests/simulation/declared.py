"""What administrators have declared, as far as the auditor is sure of it: what may not be sent home in between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mpcontinuity.model.identifier import show
from mpcontinuity.model.owed import OPEN
from mpcontinuity.queue.owed import decode_parameters
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from tests.simulation.home import Taken
from tests.simulation.sender import Letter

if TYPE_CHECKING:
    from tests.simulation.audit import Audit
    from tests.simulation.play import Play

GRACE = 1.0  # seconds in which all processes act on what was answered

_OWED = Statement(
    """SELECT owed.id, owed.recipient, owed.state, owed.parameters FROM owed JOIN domain ON domain.id = owed.domain
    WHERE domain.name = :name"""
)


@dataclass(frozen=True)
class Span:
    """From ``begin`` to ``end`` nothing is sent home; ``users``: to them alone. None: to nobody of the domain."""

    what: str
    domain: str
    begin: float
    end: float
    users: frozenset[str] | None = None


class Declared:
    """Hears of each operation before it is asked for and after it was answered. What is asked to end is believed to
    have ended, and what is asked to begin to have begun once that was answered: in between both may be true."""

    def __init__(self, play: Play, audit: Audit) -> None:
        self._play = play
        self._audit = audit
        self._since: dict[tuple[str, str], float] = {}  # "mode" or "contain", and the domain
        self._spans: list[Span] = []
        self._waiting: dict[tuple[bytes, str], float] = {}  # id at home and recipient: since when it is kept
        self._asked = 0.0
        # Plans and drills end by the clock of the wall, which has to go like ours.
        self._by_the_clock = not any(event.what == "jump" for event in play.story.events)

    def asked(self, operation: str, arguments: dict[str, Any]) -> None:
        """An administrator asks for it now."""
        self._asked = self._play.world.now
        domain = arguments.get("name", "")
        if operation == "domain set" and "mode" in arguments["settings"]:
            self._since.pop(("mode", domain), None)
        elif operation == "contain off" and self._since.pop(("contain", domain), None) is not None:
            self._play.machine.look(lambda tx: self._remember(tx, domain))
        elif operation == "contain release":
            for key in [key for key in self._waiting if key[1].endswith(f"@{domain}")]:
                del self._waiting[key]
        elif operation in ("domain plan end", "drill end"):
            what = "plan" if operation == "domain plan end" else "drill"
            self._spans = [span for span in self._spans if (span.what, span.domain) != (what, domain)]

    def answered(self, operation: str, arguments: dict[str, Any]) -> None:
        """It was done. A mode that ends by itself is not followed; a plain relay knows no outage."""
        domain, now = arguments.get("name", ""), self._play.world.now
        if operation == "domain set" and arguments["settings"].get("mode") == "enabled":
            if "until" not in arguments and domain not in self._audit.relays:
                self._since.setdefault(("mode", domain), now)
        elif operation == "contain on":
            self._since.setdefault(("contain", domain), now)
        elif operation == "domain plan" and domain not in self._audit.relays:
            begin, end = _seconds(arguments["begin"]), _seconds(arguments["until"])
            self._span(Span("plan", domain, now + begin, self._asked + end))
        elif operation == "drill" and domain not in self._audit.relays:
            users = frozenset(arguments["user"]) - self._audit.unsure
            self._span(Span("drill", domain, now, self._asked + _seconds(arguments["lasts"]), users))

    def _span(self, span: Span) -> None:
        if self._by_the_clock:
            self._spans.append(span)

    def _remember(self, tx: Transaction, domain: str) -> None:
        """What is owed when home's being cut off is lifted waits for its release."""
        for owed, recipient, state, parameters in tx.all(_OWED, name=domain):
            if state in OPEN:
                at_home = (decode_parameters(parameters).shown or show(owed)).encode()
                self._waiting.setdefault((at_home, recipient), self._play.world.now)

    def taken(self, letter: Letter, taken: Taken) -> None:
        """A home server has a message."""
        domain = taken.recipients[0].partition("@")[2]
        for what in ("mode", "contain"):
            since = self._since.get((what, domain))
            if since is not None and self._begun_after(since, letter, taken):
                self._play.fault(f"letter {letter.number} was sent home in a declared outage ({what})")
        for span in self._spans:
            concerned = span.domain == domain and (
                span.users is None or any(self._audit.owner(each) in span.users for each in taken.recipients)
            )
            before_end = taken.time < span.end - GRACE
            if concerned and before_end and self._begun_after(span.begin, letter, taken):
                self._play.fault(f"letter {letter.number} was sent home in a {span.what}")
        for shown in taken.ids:
            for recipient in taken.recipients:
                since = self._waiting.get((shown, recipient))
                if since is not None and taken.begun > since + GRACE:
                    self._play.fault(f"letter {letter.number} was sent home before its release")

    def _begun_after(self, since: float, letter: Letter, taken: Taken) -> bool:
        """What its client was handing in at that moment may have gone on to home."""
        under_way = any(each.begun <= since <= (each.ended or since) for each in letter.attempts)
        return taken.begun > since + GRACE and not under_way


def _seconds(duration: str) -> float:
    assert duration.endswith("s")
    return float(duration[:-1])
