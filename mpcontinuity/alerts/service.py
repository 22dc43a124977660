"""Watches outages and errors, and has subscribers told of them. One process at a time does this.

All that it decides by stands in the database, and so does what was told when: it may end at any moment, and another
process goes on where it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from functools import partial
from typing import Protocol

import msgspec
from twisted.logger import Logger

from mpcontinuity.accounts import home_state, home_users
from mpcontinuity.alerts import alarms, outages, wording
from mpcontinuity.alerts.alarms import Alarm, Kind
from mpcontinuity.alerts.announcing import Mark
from mpcontinuity.alerts.mailing import Mailing
from mpcontinuity.alerts.outages import Cause, Outage, Standing
from mpcontinuity.alerts.wording import Fact
from mpcontinuity.model.clock import DAY, HOUR, MINUTE
from mpcontinuity.model.errors import Stopping, Temporary
from mpcontinuity.model.randomness import Randomness
from mpcontinuity.model.settings import Settings
from mpcontinuity.queue import balance
from mpcontinuity.queue.balance import Balance
from mpcontinuity.routing.health import State
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking import errors

EVERY = 5.0  # s between two looks
DOWN_FOR = 5 * MINUTE  # until `down` is told: a home server that restarts is no news
REMIND_AFTER = 4 * HOUR  # of a declared outage, and then
REMIND_EVERY = DAY
COUNTS = 200  # domains whose errors are counted in one look: those with thresholds take turns
COUNTED_AT_ONCE = 20  # of them in one transaction: each may take some milliseconds
RECOVERIES = 100  # outages whose mail is looked at in one look

DOWN, UP, REMINDER = "down", "up", "reminder"  # steps that are marked in `Outage.told`
FIRST_LOGIN = "first login"  # a step of the users', of which nobody is told (first_logins.py)

_log = Logger()


class Step(Protocol):
    """Something else that is done about outages, by the same elected process."""

    async def look(self, outages: Sequence[Outage]) -> None:
        """Does what is due about these outages, and marks it in their ``told`` (outages.tell)."""
        ...


class Watcher:
    """Looks at outages and errors, every EVERY seconds in one process. It lives in the reactor thread.

    ``steps`` are done after it has looked, in this order; one that fails stops no other. A home server that is down for
    ``down_for`` (µs) is told of.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        randomness: Randomness,
        *,
        steps: Sequence[Step] = (),
        down_for: int = DOWN_FOR,
    ) -> None:
        self.mailing = Mailing(store, settings, randomness)
        self._store = store
        self._steps = steps
        self._down_for = down_for
        self._counted = 0  # up to this domain errors were counted

    async def look(self) -> None:
        """Notes what has changed, and tells what is to be told. Raises Temporary."""
        found, stands = await outages.survey(self._store)
        standing = {one.domain.id: one for one in stands}
        facts = [
            *_of_outages(found, standing, self._store.clock.now(), self._down_for),
            *await self._of_alarms(found, standing),
            *await self._recoveries(found, standing),
        ]
        if facts:
            await self.mailing.mail(facts)
        for step in self._steps:
            try:
                await step.look(found)
            except (Stopping, Temporary):
                raise
            except Exception:
                _log.failure("a step after an outage failed: {step}", step=type(step).__name__)

    # Errors, and a flush that is paused

    async def _of_alarms(self, found: Sequence[Outage], standing: Mapping[int, Standing]) -> list[Fact]:
        going_on = {outage.domain: outage for outage in found if not outage.ended}
        known, reasons, unwatched = await self._store.read(_known)
        counted = _turn(standing, known, self._counted)
        self._counted = counted[-1] if counted else 0
        numbers = sorted({*counted, *(domain for domain, _ in [*known, *reasons])} & standing.keys())
        facts: list[Fact] = []
        # Where nobody looks any more, that is no news of home's users.
        silent = [place for place in known if place[1] == Kind.USERS_OUT and place[0] in unwatched]
        past = {place: known.pop(place) for place in silent}
        for start in range(0, len(numbers), COUNTED_AT_ONCE):
            some = [standing[number] for number in numbers[start : start + COUNTED_AT_ONCE]]
            work = partial(_alarms, some=some, known=known, reasons=reasons, counted=set(counted), going_on=going_on)
            more, over = await self._store.read(work)
            facts += more
            past |= over
        if past:
            await self._store.run(partial(alarms.forget, past=past))
        return facts

    # Outages whose mail is dealt with

    async def _recoveries(self, found: Sequence[Outage], standing: Mapping[int, Standing]) -> list[Fact]:
        facts = []
        waiting = [outage for outage in found if _may_recover(outage, standing.get(outage.domain))]
        for outage in waiting[:RECOVERIES]:
            report = await self._store.read(partial(_recovery, outage=outage))
            if report is None:
                continue
            mark = partial(outages.recover, outage=outage.id, report=msgspec.json.encode(report).decode())
            # Who heard of `down` hears of `up`, and need not hear that nothing was kept; who was reminded does.
            told = outage.told.keys() - {FIRST_LOGIN}
            if report.total.taken_in or (told and DOWN not in told):
                facts.append(wording.recovered(standing[outage.domain], outage, report, mark))
            else:
                await self._store.run(partial(_quietly, mark=mark))
        return facts


def _may_recover(outage: Outage, standing: Standing | None) -> bool:
    if standing is None or not outage.ended or outage.recovered:
        return False
    return not standing.causes and standing.health.state is State.UP


def _quietly(tx: Transaction, mark: Mark) -> None:
    try:
        mark(tx)
    except outages.Told:
        return


def _of_outages(found: Sequence[Outage], standing: Mapping[int, Standing], now: int, down_for: int) -> list[Fact]:
    facts: list[Fact] = []
    for outage in found:
        stands = standing.get(outage.domain)
        if stands is not None:
            facts += _of_outage(outage, stands, now, down_for)
    return facts


def _of_outage(outage: Outage, stands: Standing, now: int, down_for: int) -> list[Fact]:
    facts = []
    down = Cause.DOWN in stands.causes and not outage.ended
    if DOWN in outage.told and UP not in outage.told and not down:
        facts.append(wording.up(stands, outage, now, partial(outages.tell, outage=outage.id, step=UP)))
    if outage.ended or now < outage.snoozed_until:
        return facts
    if down and DOWN not in outage.told and now >= stands.causes[Cause.DOWN] + down_for:
        facts.append(wording.down(stands, outage, now, partial(outages.tell, outage=outage.id, step=DOWN)))
    if _reminder_due(stands, outage, now):
        mark = partial(outages.tell, outage=outage.id, step=REMINDER, known=outage.told.get(REMINDER, 0))
        facts.append(wording.reminder(stands, outage, now, mark))
    return facts


def _reminder_due(standing: Standing, outage: Outage, now: int) -> bool:
    declared = [outage.causes[cause] for cause in standing.causes if cause is not Cause.DOWN and cause in outage.causes]
    if not declared:
        return False
    since, last = min(declared), outage.told.get(REMINDER, 0)
    return now >= (last + REMIND_EVERY if last >= since else since + REMIND_AFTER)


def _known(tx: Transaction) -> tuple[dict[tuple[int, str], Alarm], dict[tuple[int, str], str], set[int]]:
    """Alarms that were told of late, and the reasons of those that hold and are not about numbers; by domain and
    kind. Then the domains whose users' side nobody looks at any more."""
    holding = {Kind.PAUSED: home_state.pauses(tx), Kind.USERS_OUT: home_users.out(tx)}
    reasons = {(domain, kind.value): why for kind, found in holding.items() for domain, why in found.items()}
    return alarms.listing(tx), reasons, home_users.unwatched(tx)


def _alarms(
    tx: Transaction,
    some: Sequence[Standing],
    known: Mapping[tuple[int, str], Alarm],
    reasons: Mapping[tuple[int, str], str],
    counted: Set[int],
    going_on: Mapping[int, Outage],
) -> tuple[list[Fact], dict[tuple[int, str], Alarm]]:
    """The facts, and alarms that are past."""
    facts: list[Fact] = []
    past = {}
    for stands in some:
        number = stands.domain.id
        outage = going_on.get(number)
        silent = outage is not None and tx.now < outage.snoozed_until
        for kind in Kind:
            if kind.counts and number not in counted:
                continue
            place = (number, kind.value)
            before = known.get(place)
            holds = _reached(tx, stands, kind) if kind.counts else place in reasons
            step = alarms.step(kind, before, holds=holds, now=tx.now)
            if step is alarms.Step.FORGET:
                past[place] = before or Alarm(0, 0)
            elif step is not alarms.Step.NOTHING and not silent:
                facts.append(_alarm(tx, stands, kind, step, before, reasons.get(place, ""), outage))
    return facts, past


def _turn(standing: Mapping[int, Standing], known: Mapping[tuple[int, str], Alarm], after: int) -> list[int]:
    """Domains whose errors are counted in this look, in turn behind that one."""
    wanted = {
        number for number, one in standing.items() if one.domain.settings.alert_hour or one.domain.settings.alert_day
    }
    wanted |= {domain for domain, kind in known if kind in (Kind.HOUR, Kind.DAY)}
    return sorted(wanted, key=lambda number: (number <= after, number))[:COUNTS]


def _threshold(standing: Standing, kind: Kind) -> int:
    settings = standing.domain.settings
    return settings.alert_hour if kind is Kind.HOUR else settings.alert_day


def _reached(tx: Transaction, standing: Standing, kind: Kind) -> bool:
    threshold = _threshold(standing, kind)
    return threshold > 0 and errors.reaches(tx, standing.domain.id, tx.now - kind.window, threshold)


def _alarm(
    tx: Transaction,
    standing: Standing,
    kind: Kind,
    step: alarms.Step,
    before: Alarm | None,
    reason: str,
    outage: Outage | None,
) -> Fact:
    number, thread = standing.domain.id, outage.id if outage is not None else 0
    begin = partial(alarms.begin, domain=number, kind=kind.value)
    over = partial(alarms.end, domain=number, kind=kind.value, told=before.told if before else 0)
    if kind is Kind.PAUSED:
        if step is alarms.Step.BEGIN:
            return wording.paused(standing, thread, reason, begin)
        return wording.resumed(standing, thread, over)
    if kind is Kind.USERS_OUT:
        if step is alarms.Step.BEGIN:
            return wording.users_out(standing, thread, reason, begin)
        return wording.users_back(standing, thread, over)
    threshold = _threshold(standing, kind)
    if step is alarms.Step.BEGIN:
        examples = errors.examples(tx, number, tx.now - kind.window, wording.EXAMPLES)
        return wording.errors(standing, thread, kind.window, threshold, examples, begin)
    return wording.errors_over(standing, thread, kind.window, threshold, over)


def _recovery(tx: Transaction, outage: Outage) -> Balance | None:
    """None: some of it was not tried yet."""
    since, until = outages.span(tx, outage)
    if home_state.paused(tx, outage.domain) or balance.untried(tx, outage.domain, since, until):
        return None
    return balance.balance(tx, outage.domain, since, until)
