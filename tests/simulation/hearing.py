"""What subscribers hear of outages: each of them once, whatever crashes, and nothing that did not happen."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from mpcontinuity.alerts.mailing import MOST_A_DAY
from mpcontinuity.model.clock import SECOND
from mpcontinuity.routing.health import SUSPICION
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from tests.simulation.story import DomainPlan

if TYPE_CHECKING:
    from tests.simulation.play import Play

_DOMAINS = Statement("SELECT id, name FROM domain")
_STATES = Statement("SELECT id, state, since, last_failure FROM domain")
_MAILS = Statement(
    "SELECT domain, recipient, subject FROM tracking WHERE direction = 'alert' AND subject NOT LIKE 'News %'"
)
_OUTAGES = Statement("SELECT id, domain, began, ended, told, recovered, report FROM outage ORDER BY id")
_TOLD = Statement("SELECT 1 FROM tracking WHERE subject = :subject LIMIT 1")
_FALLS = Statement("SELECT domain, time FROM home_change WHERE state = 'down'")

# What stands in the subject of a mail that tells of a step, and the step's name in the row of the outage.
_STEPS = {"down": "the home server is down for", "up": "the home server is up again"}
_REPORTS = ("report of the outage", "the outage is over, and nothing was kept")


SETTLED = 30 * SECOND  # since home is up, the end of an outage was looked at


def subscribers(plan: DomainPlan) -> tuple[str, ...]:
    """Who hears of a domain: somebody elsewhere, and a user of its own."""
    return (f"oncall@watch-{plan.name}", *plan.users[:1])


def told(tx: Transaction, subject: str) -> bool:
    """Whether anybody has been told that."""
    return tx.one(_TOLD, subject=subject) is not None


class Hearing:
    """Compares the mails that were placed with the outages that they tell of."""

    def __init__(self, play: Play) -> None:
        self._play = play
        self._users = {user for plan in play.story.domains for user in plan.users[:1]}

    def shown(self, user: str) -> None:
        """A user's client fetched a mail of the server itself."""
        if user not in self._users:
            self._play.fault(f"{user} sees an alert, and does not hear of anything")

    def look(self, tx: Transaction) -> None:
        """One mail of each step to each subscriber, and one report where there is something to report."""
        mails: Counter[tuple[int, str, str]] = Counter()
        of: Counter[tuple[int, str]] = Counter()
        unclear: Counter[tuple[int, str]] = Counter()
        for domain, recipient, subject in tx.all(_MAILS):
            of[domain, recipient] += 1
            for step, said in (*_STEPS.items(), *(("report", said) for said in _REPORTS)):
                mails[domain, recipient, step] += subject.count(said)
            unclear[domain, recipient] += " more" in subject  # of many facts the subject has one
        steps: Counter[tuple[int, str]] = Counter()
        for _, domain, _, _, told, _, report in tx.all(_OUTAGES):
            for step in _STEPS:
                steps[domain, step] += f'"{step}"' in told
            kept = '"taken_in":0' not in report.partition("}")[0]
            told_otherwise = told != "{}" and '"down"' not in told  # else they have heard of its end by `up`
            steps[domain, "report"] += bool(report) and (kept or told_otherwise)
        hearing = {plan.name: subscribers(plan) for plan in self._play.story.domains}
        for domain, recipient in [(domain, one) for domain, name in tx.all(_DOMAINS) for one in hearing.get(name, ())]:
            if of[domain, recipient] >= MOST_A_DAY:
                continue
            for step in (*_STEPS, "report"):
                sent, wanted = mails[domain, recipient, step], steps[domain, step]
                if sent > wanted or (sent < wanted and not unclear[domain, recipient]):
                    self._play.fault(f"{recipient} was told {step!r} {sent} times, and it happened {wanted} times")

    def end(self, tx: Transaction) -> None:
        """All outages are over, have recovered, and cover whatever the history of home servers knows."""
        outages = tx.all(_OUTAGES)
        # One that is suspect is shown as up.
        calm = {
            domain
            for domain, state, since, failed in tx.all(_STATES)
            if state == "up" and since <= tx.now - SETTLED and abs(tx.now - failed) >= SUSPICION + SETTLED
        }
        for outage in outages:
            if outage[1] in calm:  # a home that is down and is owed nothing is probed rarely
                self._judge_end(*outage)
        if any(event.what == "jump" for event in self._play.story.events):
            return  # what was when cannot be told
        spans = [(domain, began, ended) for _, domain, began, ended, *_ in outages]
        first = min((began for _, began, _ in spans), default=0)
        for fallen, time in tx.all(_FALLS):
            if time > first and not any(
                fallen == domain and began <= time and (not ended or time <= ended) for domain, began, ended in spans
            ):
                self._play.fault(f"home of domain {fallen} fell at {time}, and no outage was noted")

    def _judge_end(self, outage: int, domain: int, began: int, ended: int, told: str, *rest: Any) -> None:
        recovered, _ = rest
        if not ended:
            self._play.fault(f"outage {outage} of domain {domain} goes on although all is well")
        elif not recovered:
            self._play.fault(f"outage {outage} of domain {domain} has not recovered although nothing is owed")
        elif ended < began:
            self._play.fault(f"outage {outage} of domain {domain} ended {began - ended} µs before it began")
