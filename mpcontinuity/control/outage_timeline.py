"""What happened in an outage, one after the other: read from all places of the store that know of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from typing import Final, Literal

import msgspec

from mpcontinuity.accounts import audit, home_history, plans
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.alerts import outages, service, tellings
from mpcontinuity.alerts.outages import Cause, Outage
from mpcontinuity.model.clock import MINUTE, SECOND, iso
from mpcontinuity.model.identifier import first_at, moment_of
from mpcontinuity.queue.balance import Balance
from mpcontinuity.routing.health import SUSPICION
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking import flow

AFTER: Final = 10 * MINUTE  # the end of an outage: until then its users are told of the end, and administrators look
_CHANGES: Final = 200  # of the home server: one that comes and goes has 100 a day
_ACTS: Final = 200
_TELLINGS: Final = 100

# What administrators do about an outage, in words that follow "Somebody".
_WORDS: Final = {
    "domain plan": "planned an outage",
    "domain plan extend": "moved the end of the planned outage",
    "domain plan end": "ended the planned outage",
    "outage act": "steered the outage",
    "contain on": "cut the home server off",
    "contain off": "let mail go to the home server again",
    "contain release": "released mail that was kept",
    "domain users-out": "said whether users can use the home server",
    "domain set": "changed settings",
    "domain test": "tried the home server",
    "user continuity all": "opted all users in or out",
    "queue retry": "had mail tried again",
    "queue remove": "took mail out of the queue",
    "drill": "began a drill",
    "drill end": "ended the drill",
}
_BY_ACT: Final = {
    "start": "declared an outage",
    "extend": "extended the declared outage",
    "stop": "ended the declared outage",
    "snooze": "silenced the mails about the outage",
}
_CAUSES: Final = {
    Cause.DOWN.value: "the home server did not take mail",
    Cause.DECLARED.value: "an outage was declared",
    Cause.CONTAINED.value: "the home server was cut off",
}
_STATES: Final = {
    "down": "The home server was not reached",
    "recovering": "The home server answers again",
    "up": "The home server serves again",
}
_STEPS: Final = {
    service.DOWN: "Those who hear of the domain were told by mail that its home server is down",
    service.UP: "Those who hear of the domain were told by mail that its home server is up again",
    service.REMINDER: "Those who hear of the domain were reminded by mail that the outage is declared",
    service.FIRST_LOGIN: "The first user logged in here",
}
_ACT: Final = re.compile(r"\bact=(\w+)")
_ABOUT: Final = re.compile(r"(?:^| )(?:name|domain)=\S+|\bact=\w+")  # what everything here is about, and what is said

_balance = msgspec.json.Decoder(Balance).decode

Kind = Literal["home", "outage", "act", "told", "mail", "login"]


class TimelineRow(msgspec.Struct, frozen=True):
    """Something that happened in an outage: at ``time`` (ISO 8601), in one sentence without its full stop.

    ``kind`` says of what it is: the home server, the outage itself, what somebody did, what people were told, what
    became of mail, or users who came. ``by`` is who did it, empty where nobody did.
    """

    time: str
    kind: Kind
    text: str
    by: str


class _Event(msgspec.Struct, frozen=True):
    time: int
    kind: Kind
    text: str
    by: str = ""


def span(tx: Transaction, outage: Outage) -> tuple[int, int]:
    """Returns from when to when (µs) things belong to an outage: from the failure that made home a suspect, until its
    mail was dealt with, or the next outage begins."""
    over = max(outage.ended, outage.recovered) + AFTER if outage.recovered else tx.now
    following = outages.next_began(tx, outage)
    until = min(over, tx.now) + 1
    return outage.began - SUSPICION, min(until, max(following - SUSPICION, outage.ended)) if following else until


def timeline(tx: Transaction, domain: Domain, outage: Outage) -> tuple[list[TimelineRow], bool]:
    """Returns what happened in an outage of the domain, newest first, and whether that is all of it."""
    since, until = span(tx, outage)
    homes = _homes(tx, domain, since, until)
    acts = _acts(tx, domain, since, until)
    told = _tellings(tx, domain, since, until)
    done = [*acts, *_plans(tx, domain, since, until)]
    events = [*homes, *told, *done, *_of_outage(outage, told_of=bool(homes), done={one.time // MINUTE for one in done})]
    first = flow.first_kept(tx, domain.id, since, until)
    if first is not None:
        events.append(_Event(first[0], "mail", _said("The first message was kept here", first[1])))
    events.sort(key=lambda event: event.time, reverse=True)
    whole = len(homes) < _CHANGES and len(acts) < _ACTS and len(told) < _TELLINGS
    return [TimelineRow(iso(one.time), one.kind, one.text, one.by) for one in events], whole


def _homes(tx: Transaction, domain: Domain, since: int, until: int) -> list[_Event]:
    changes = home_history.listing(tx, domain=domain.id, since=since, before=first_at(until), limit=_CHANGES)
    return [_Event(one.time, "home", _of_home(one)) for one in changes]


def _of_home(change: home_history.HomeChange) -> str:
    """Why it is better than before is what the state says."""
    return _said(_STATES.get(change.state, change.state), "" if change.state == "recovering" else change.reason)


def _acts(tx: Transaction, domain: Domain, since: int, until: int) -> list[_Event]:
    rows = audit.of_domain(tx, domain.name, _WORDS, since=since, until=until, limit=_ACTS)
    return [_Event(row.time, "act", _done(row), row.name) for row in rows]


def _done(row: audit.Audited) -> str:
    act = _ACT.search(row.object)
    words = _BY_ACT.get(act[1], "") if act is not None else ""
    words = words or _WORDS[row.operation]
    about = _ABOUT.sub("", row.object).strip()
    result = {"done": "", audit.BEGUN: ", which has not ended"}.get(row.result, f", which was {row.result}")
    return f"{words[:1].upper()}{words[1:]}{f' ({about})' if about else ''}{result}"


def _tellings(tx: Transaction, domain: Domain, since: int, until: int) -> list[_Event]:
    events = []
    for one in tellings.listing(tx, domain=domain.id, before=first_at(until), limit=_TELLINGS):
        begun = moment_of(one.id)
        if begun >= since:
            reached = f"{one.users} in INBOX, {one.mails} at other addresses"
            text = f'Users were told "{one.subject}": {reached}{"" if one.ended else " so far"}'
            events.append(_Event(begun, "told", text, one.by))
    return events


def _plans(tx: Transaction, domain: Domain, since: int, until: int) -> Iterator[_Event]:
    """Those that begin and end by themselves are in no audit trail; one that began as it was made is there."""
    for plan in plans.page(tx, domain.id, 0, plans.MOST + plans.MOST_ENDED):
        if since <= plan.starts < until and plan.starts > moment_of(plan.id) + SECOND:
            note = f": {plan.note}" if plan.note else ""
            yield _Event(plan.starts, "outage", f"The planned outage began{note}", plan.planner)
        if plan.ended in (0, plan.ends) and since <= plan.ends < until:
            yield _Event(plan.ends, "outage", "The planned outage ended")


def _of_outage(outage: Outage, told_of: bool, done: Set[int]) -> Iterator[_Event]:
    """``told_of``: why home was not reached is told by the changes of its state, which are kept for 90 days. ``done``
    are the minutes in which somebody did something, which tells more than that it had an effect."""
    for cause, time in outage.causes.items():
        words = _CAUSES.get(cause, cause)
        if time > outage.began:
            if cause == Cause.DOWN.value or not {time // MINUTE, time // MINUTE - 1} & done:
                yield _Event(time, "outage", f"{words[:1].upper()}{words[1:]}")
        else:
            known = told_of and cause == Cause.DOWN.value
            yield _Event(time, "outage", _said(f"The outage began: {words}", "" if known else outage.reason))
    if outage.ended:
        yield _Event(outage.ended, "outage", "The outage ended")
    for step, time in outage.told.items():
        if step in _STEPS:
            yield _Event(time, "login" if step == service.FIRST_LOGIN else "told", _STEPS[step])
    if outage.recovered:
        yield _Event(outage.recovered, "mail", _became(outage))


def _became(outage: Outage) -> str:
    total = _balance(outage.report).total if outage.report else None
    if total is None or not total.taken_in:
        return "All is dealt with: nothing was kept for the home server"
    rest = {"deleted by users": total.deleted, "refused by home": total.failed, "given up": total.expired}
    rest |= {"closed by hand": total.released, "still open": total.owed + total.in_doubt}
    others = "".join(f", {number} {words}" for words, number in rest.items() if number)
    return f"All that was kept is dealt with: of {total.taken_in} messages {total.delivered} are home{others}"


def _said(text: str, reason: str) -> str:
    return f"{text}: {reason}" if reason else text
