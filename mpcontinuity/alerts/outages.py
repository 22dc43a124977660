"""Rows of the table ``outage``: the periods in which continuity was at work for a domain. All work in a transaction.

An outage begins when the home server is down, an outage is declared, or the domain is contained, and ends when all of
that is over. What is so is read from the table `domain` and its history, never heard of: a row that is missing after a
crash is made at the next look. ``told`` has what was done about an outage, such as telling subscribers; a step is
marked in the transaction that does it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

import msgspec

from mpcontinuity.accounts import declarations, domains, home_history, home_state
from mpcontinuity.accounts.declarations import Declaration
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.model.clock import DAY, MINUTE
from mpcontinuity.model.errors import Reported
from mpcontinuity.model.identifier import first_at, moment_of
from mpcontinuity.routing.health import SUSPICION, Health, State, current
from mpcontinuity.store import meta
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

REMEMBERED = 365 * DAY  # as long as the audit: what an auditor asks about an outage, both answer
MOST_A_DAY = 100  # of one domain: a home that fails every minute would write 500,000 rows in a year
FRESH = DAY  # after its end an outage is still looked at, for what is to be told of the end
STEP = 200  # rows of one transaction
_STEPS = 50  # of one look: what is left is noted by the next
_LOOKED_AT = 2_000  # outages at a time: more than that wait for their recovery only where nobody cares for it
_LONGEST_REASON = 1_000  # characters
_CHANGES = 1_000  # of home servers that are looked at in one transaction
_SEEN = "outages seen"  # key in `meta`: the last change of a home server that was looked at, by its id
_LATE = MINUTE  # ids of several nodes are in the order of time, and commits are not


class Cause(StrEnum):
    """Why continuity is at work for a domain."""

    DOWN = "down"  # the home server does not take mail
    DECLARED = "declared"  # mode is `enabled`, or a plan is under way
    CONTAINED = "contained"  # the home server is cut off on purpose


class Told(Reported):
    """Raised when a step of an outage was done by somebody else meanwhile, or the outage is gone."""


@dataclass(frozen=True, slots=True)
class Outage:
    """An outage of the domain with that id and ``name``. Times are in µs; ``ended`` and ``recovered`` are 0 until then.

    ``causes`` has since when each cause holds, or held last. ``told`` has when each step was done. ``report`` is JSON
    of what became of its mail, empty until it has recovered; `find` and `listing` alone read it.
    """

    id: int
    domain: int
    name: str
    began: int
    ended: int
    causes: Mapping[str, int]
    reason: str
    told: Mapping[str, int]
    snoozed_until: int
    recovered: int
    report: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How a domain stands: with its settings, the health of its home server, and since when (µs) causes hold, 0 where
    that is not known.

    ``note`` is what an administrator said of what is declared. ``until`` is when that ends by itself, 0 for never.
    """

    domain: Domain
    health: Health
    causes: Mapping[Cause, int]
    note: str
    until: int

    @property
    def reason(self) -> str:
        """Why it is so, in one line."""
        return (self.health.reason if Cause.DOWN in self.causes else self.note)[:_LONGEST_REASON]


_COLUMNS = """SELECT outage.id, outage.domain, domain.name, began, ended, causes, outage.reason, told, snoozed_until,
    outage.recovered, {} FROM outage JOIN domain ON domain.id = outage.domain"""
_PLAIN, _WHOLE = _COLUMNS.format("''"), _COLUMNS.format("report")  # a report may have 20 KiB
_GOING_ON = Statement(f"{_PLAIN} WHERE ended = 0 ORDER BY outage.id")
_FRESH = Statement(f"{_PLAIN} WHERE ended > :since ORDER BY ended DESC LIMIT :limit")
_TO_RECOVER = Statement(
    f"""{_PLAIN} WHERE outage.recovered = 0 AND ended > 0 AND domain.state = 'up' ORDER BY outage.id LIMIT :limit"""
)
_LIST = Statement(
    f"""{_WHOLE} WHERE (:domain = 0 OR outage.domain = :domain) AND outage.id < :before AND began >= :since
    ORDER BY outage.id DESC LIMIT :limit"""
)
_FIND = Statement(f"{_WHOLE} WHERE outage.id = :id")
_OF_DOMAIN = Statement(f"{_PLAIN} WHERE outage.domain = :domain AND ended = 0")
_COVERED = Statement(
    "SELECT 1 FROM outage WHERE domain = :domain AND began <= :time AND (ended = 0 OR ended >= :time) LIMIT 1"
)
_COUNT = Statement("SELECT COUNT(*), MAX(id) FROM outage WHERE domain = :domain AND id >= :since")
_BEGIN = Statement(
    """INSERT INTO outage (id, domain, began, ended, causes, reason)
    SELECT :id, id, :began, :ended, :causes, :reason FROM domain WHERE id = :domain ON CONFLICT DO NOTHING"""
)
_BEGIN_AGAIN = Statement("UPDATE outage SET ended = :ended, causes = :causes, reason = :reason WHERE id = :id")
_CHANGE = Statement("UPDATE outage SET ended = :ended, causes = :causes, reason = :reason WHERE id = :id AND ended = 0")
_ENDED_BEFORE = Statement("SELECT MAX(ended) FROM outage WHERE domain = :domain AND began < :began")
_BEGAN_AFTER = Statement("SELECT MIN(began) FROM outage WHERE domain = :domain AND began > :began")
_LOCK = Statement("SELECT id FROM outage WHERE id = :id [FOR UPDATE]")
_TOLD = Statement("SELECT told FROM outage WHERE id = :id")
_TELL = Statement("UPDATE outage SET told = :told WHERE id = :id")
_SNOOZE = Statement("UPDATE outage SET snoozed_until = :until WHERE id = :id AND ended = 0")
_RECOVER = Statement(
    "UPDATE outage SET recovered = :now, report = :report WHERE id = :id AND ended > 0 AND recovered = 0"
)
_FORGET = Statement("DELETE FROM outage WHERE id IN (SELECT id FROM outage WHERE id < :before ORDER BY id LIMIT :step)")

_times = msgspec.json.Decoder(dict[str, int]).decode


def _outage(
    id_: int, domain: int, name: str, began: int, ended: int, causes: str, reason: str, told: str, *rest: int | str
) -> Outage:
    snoozed_until, recovered, report = rest
    return Outage(
        id_, domain, name, began, ended, _times(causes), reason, _times(told), int(snoozed_until), int(recovered),
        str(report),
    )  # fmt: skip


def _text(times: Mapping[str, int]) -> str:
    return msgspec.json.encode({str(key): time for key, time in times.items()}).decode()


# How domains stand, and what that makes of outages


def standings(tx: Transaction) -> list[Standing]:
    """Returns how each domain stands, by name."""
    healths = home_state.load(tx)
    declared: dict[int, list[Declaration]] = {}
    for one in declarations.in_force(tx):
        declared.setdefault(one.domain, []).append(one)
    return [
        # A suspicion ends by itself, and home's row says so only when somebody writes it next.
        _standing(domain, current(healths[domain.id][0], tx.now), declared.get(domain.id, []))
        for domain in domains.listing(tx)
        if domain.id in healths
    ]


def _standing(domain: Domain, health: Health, declared: Sequence[Declaration]) -> Standing:
    causes = {Cause.DOWN: health.since} if health.state is State.DOWN else {}
    for one in declared:
        cause = Cause.CONTAINED if one.what == "contain" else Cause.DECLARED
        causes.setdefault(cause, one.since)
    ends = [one.until for one in declared]
    return Standing(
        domain=domain,
        health=health,
        causes=causes,
        note=next((one.note for one in declared if one.note), ""),
        until=max(ends) if ends and all(ends) else 0,
    )


def observe(tx: Transaction) -> int:
    """Makes the rows agree with how domains stand, up to STEP of them, and returns how many: call it again while that
    is STEP."""
    found = _differences(tx, standings(tx))[:STEP]
    for standing, outage in found:
        _agree(tx, standing, outage)
    return len(found) + _note_unseen(tx)


def _differences(tx: Transaction, standing: Sequence[Standing]) -> list[tuple[Standing, Outage | None]]:
    of_domain = {outage.domain: outage for outage in tx.records(_outage, _GOING_ON)}
    together = [(one, of_domain.get(one.domain.id)) for one in standing]
    return [(one, outage) for one, outage in together if not _agrees(one, outage)]


def _agrees(standing: Standing, outage: Outage | None) -> bool:
    if outage is None or not standing.causes:
        return outage is None and not standing.causes
    return all(since <= outage.causes.get(cause, -1) for cause, since in standing.causes.items())


def _agree(tx: Transaction, standing: Standing, outage: Outage | None) -> None:
    causes = {cause.value: since or tx.now for cause, since in standing.causes.items()}
    reason = standing.reason
    if outage is None:
        _begin(tx, standing.domain.id, min(causes.values()), 0, causes, reason)
        return
    news = {
        cause: since for cause, since in causes.items() if standing.causes[Cause(cause)] or cause not in outage.causes
    }
    over = Cause.DOWN in outage.causes and standing.health.state is not State.DOWN
    # Where nothing but home kept it going, it ended when home was back, whenever this is noticed.
    ended = max(standing.health.since, outage.began) if over and list(outage.causes) == [Cause.DOWN] else tx.now
    tx.run(
        _CHANGE,
        id=outage.id,
        ended=0 if causes else max(min(ended, tx.now), outage.began),  # the clock may have been set back
        causes=_text({**outage.causes, **news}),
        reason=reason or outage.reason,
    )


def _begin(tx: Transaction, domain: int, began: int, ended: int, causes: Mapping[str, int], reason: str) -> None:
    """Where there were MOST_A_DAY within 24 h, the newest of them goes on instead; one that is over has no row then."""
    count, newest = tx.one(_COUNT, domain=domain, since=first_at(tx.now - DAY)) or (0, 0)
    values = {"ended": ended, "causes": _text(causes), "reason": reason}
    if count >= MOST_A_DAY:
        if not ended:
            tx.run(_BEGIN_AGAIN, id=newest, **values)
    else:
        tx.run(_BEGIN, id=tx.identifier(), domain=domain, began=began, **values)


# What began and ended while nobody looked


def _unseen(tx: Transaction) -> list[home_history.HomeChange]:
    """Changes of home servers since the last look and from shortly before it, the oldest first."""
    seen = meta.number(tx, _SEEN)
    if not seen:  # the first look: what was before is in the history alone
        return []
    return home_history.noted(tx, since=moment_of(seen) - _LATE, limit=_CHANGES)


def _is_news(tx: Transaction) -> bool:
    seen = meta.number(tx, _SEEN)
    return not seen or any(change.id > seen for change in _unseen(tx))


def _note_unseen(tx: Transaction) -> int:
    """Notes outages of home servers that began and ended since the last look. Returns how many."""
    changes = _unseen(tx)
    noted = 0
    for place, change in enumerate(changes):
        back = next((one for one in changes[place + 1 :] if one.domain == change.domain), None)
        if change.state != State.DOWN.value or back is None:
            continue  # one that lasts is seen as it stands
        domain = domains.find(tx, change.domain)
        if domain is not None and tx.one(_COVERED, domain=domain.id, time=change.time) is None:
            ended = max(back.time, change.time)  # the clock may have been set back
            _begin(tx, domain.id, change.time, ended, {Cause.DOWN.value: change.time}, change.reason)
            noted += 1
    seen = max([meta.number(tx, _SEEN), *(change.id for change in changes)])
    meta.put(tx, _SEEN, str(seen or tx.identifier()))
    return noted


# What is looked at, and what is done about it


def open_or_fresh(tx: Transaction) -> list[Outage]:
    """Returns all outages that go on, that ended within FRESH, or that can recover now, the oldest first.

    Of the latter two there are up to 2,000 each.
    """
    found = {outage.id: outage for outage in tx.records(_outage, _GOING_ON)}
    for outage in tx.records(_outage, _FRESH, since=max(tx.now - FRESH, 0), limit=_LOOKED_AT):
        found[outage.id] = outage
    for outage in tx.records(_outage, _TO_RECOVER, limit=_LOOKED_AT):
        found[outage.id] = outage
    return [found[each] for each in sorted(found)]


def span(tx: Transaction, outage: Outage) -> tuple[int, int]:
    """Returns from when to when (µs) mail was kept by an outage that has ended.

    The message that made home a suspect came up to a minute before, and what was under way ends up to a minute after.
    Of two outages that follow each other closely each message is in the span of one.
    """
    before, after = (
        int(tx.value(statement, domain=outage.domain, began=outage.began) or 0)
        for statement in (_ENDED_BEFORE, _BEGAN_AFTER)
    )
    since = max(outage.began - SUSPICION, before)
    until = outage.ended + SUSPICION
    return since, min(until, max(after - SUSPICION, outage.ended)) if after else until


def next_began(tx: Transaction, outage: Outage) -> int:
    """Returns when the next outage of the same domain began (µs), 0 where none has."""
    return int(tx.value(_BEGAN_AFTER, domain=outage.domain, began=outage.began) or 0)


def listing(tx: Transaction, *, domain: int, since: int, before: int, limit: int) -> list[Outage]:
    """Returns up to ``limit`` outages that began at ``since`` (µs) or later, newest first.

    They are those of the domain with the id ``domain``, or of all for 0, whose ids are below ``before``.
    """
    return tx.records(_outage, _LIST, domain=domain, since=since, before=before, limit=limit)


def find(tx: Transaction, outage: int) -> Outage | None:
    """Returns the outage with that id, or None."""
    return tx.record(_outage, _FIND, id=outage)


def going_on(tx: Transaction, domain: int) -> Outage | None:
    """Returns the outage of a domain that goes on, or None."""
    return tx.record(_outage, _OF_DOMAIN, domain=domain)


def tell(tx: Transaction, outage: int, step: str, known: int = 0, time: int = 0) -> None:
    """Marks a step of an outage as done now, in the transaction that does it, or at ``time`` (µs) where that is known.

    ``known`` is when the step was done last as far as the caller knows, 0 for never. Raises Told where that does not
    hold any more, so that of two who would do the step one does.
    """
    tx.lock(_LOCK, id=outage)
    text = tx.value(_TOLD, id=outage)
    told = _times(text) if text is not None else {}
    if text is None or told.get(step, 0) != known:
        raise Told
    tx.run(_TELL, id=outage, told=_text({**told, step: time or tx.now}))


def snooze(tx: Transaction, outage: int, until: int) -> bool:
    """Silences the mails about an outage until then (µs). Returns whether it still goes on; else nothing is changed."""
    return tx.run(_SNOOZE, id=outage, until=until) == 1


def recover(tx: Transaction, outage: int, report: str) -> None:
    """Notes that an outage has recovered now, with the report (JSON). Raises Told where that is noted already."""
    if not tx.run(_RECOVER, id=outage, now=tx.now, report=report):
        raise Told


def forget(tx: Transaction, before: int) -> int:
    """Forgets up to STEP outages with ids below ``before``. Returns how many: call it again while that is STEP."""
    return tx.run(_FORGET, before=before, step=STEP)


async def sweep(store: Store) -> None:
    """Forgets all outages older than REMEMBERED, in steps of the bulk lane. Raises Temporary."""
    before = first_at(store.clock.now() - REMEMBERED)
    while await store.run(partial(forget, before=before), bulk=True) == STEP:
        pass


async def look(store: Store) -> list[Outage]:
    """Makes the rows agree with how domains stand, and returns those that are to be looked at. Raises Temporary."""
    found, _ = await survey(store)
    return found


async def survey(store: Store) -> tuple[list[Outage], list[Standing]]:
    """Makes the rows agree with how domains stand. Returns the outages that are to be looked at, and how domains stand.

    Raises Temporary.
    """
    found, standing, agrees = await store.read(_look)
    if not agrees:
        for _ in range(_STEPS):
            if await store.run(observe) < STEP:
                break
        found = await store.read(open_or_fresh)
    return found, standing


def _look(tx: Transaction) -> tuple[list[Outage], list[Standing], bool]:
    standing = standings(tx)
    agrees = not _differences(tx, standing) and not _is_news(tx)
    return open_or_fresh(tx) if agrees else [], standing, agrees
