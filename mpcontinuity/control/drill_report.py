"""The report of a drill: who logged in and by what, and each message in and out with its times.

It is read from tracking, whose rows of the time of the drill are walked in steps. Once all of its mail is home it is
kept as it is, with the drill, because tracking forgets after 90 days.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import Literal, NamedTuple

import msgspec

from mpcontinuity.accounts import drills, users
from mpcontinuity.accounts.domains import listing as all_domains
from mpcontinuity.accounts.drills import Drill, Login
from mpcontinuity.alerts import outages
from mpcontinuity.alerts.outages import Outage
from mpcontinuity.model import events, identifier
from mpcontinuity.model.clock import DAY, SECOND, iso
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

SCAN = 5_000  # rows of tracking that one transaction looks at
MOST = 2_000  # messages of either direction that are shown one by one; all are counted
FINAL_AFTER = 7 * DAY  # after its end: what is owed by then is owed for another reason
_OUTAGES = 100
_AT_ONCE = 50  # drills whose reports a chore keeps

_LAST_OF_STEP = Statement(
    "SELECT MAX(id) FROM (SELECT id FROM tracking WHERE id > :after AND id < :end ORDER BY id LIMIT :scan) AS step"
)
_COLUMNS = """tracking.id, tracking.received, tracking.sender, tracking.recipient, tracking.subject,
    tracking.message_id, tracking.size, tracking.status, tracking.outcome, tracking.events"""
_RECEIVED = Statement(
    f"""SELECT owed.account, {_COLUMNS} FROM tracking JOIN owed ON owed.id = tracking.owed
    WHERE tracking.id > :after AND tracking.id <= :last AND tracking.direction = 'inbound'
        AND tracking.status = 'deferred' AND owed.account IN [:accounts] ORDER BY tracking.id"""
)
_SENT = Statement(
    f"""SELECT lower(tracking.sender), {_COLUMNS} FROM tracking
    WHERE tracking.id > :after AND tracking.id <= :last AND tracking.direction = 'outbound'
        AND tracking.domain = :domain AND lower(tracking.sender) IN [:senders] ORDER BY tracking.id"""
)

_decode_events = msgspec.json.Decoder(list[tuple[int, str, int, str]]).decode


class DrillLogin(msgspec.Struct, frozen=True):
    """How a user logged in during a drill: by which door, how often, first and last (ISO 8601)."""

    door: str
    first: str
    last: str
    times: int


class DrillUser(msgspec.Struct, frozen=True):
    """A user of a drill, with the numbers of messages that they received and sent meanwhile."""

    address: str
    logins: list[DrillLogin]
    received: int
    sent: int


class DrillReceived(msgspec.Struct, frozen=True):
    """A message that a user received in a drill. ``readable`` and ``home`` are seconds from its arrival until it was in
    INBOX here and until home had it, None where that has not happened. ``outcome`` is what became of what was owed."""

    id: str
    user: str
    time: str
    sender: str
    recipient: str
    subject: str
    message_id: str
    size: int
    readable: float | None
    home: float | None
    outcome: str


class DrillSent(msgspec.Struct, frozen=True):
    """A message that a user sent in a drill, for one recipient. ``delivered`` are seconds until the next server had it,
    None where that has not happened; ``status`` is as in `track`."""

    id: str
    user: str
    time: str
    recipient: str
    subject: str
    message_id: str
    size: int
    delivered: float | None
    status: str


class DrillOutage(msgspec.Struct, frozen=True):
    """A real outage that began during a drill. The users of the drill were in it anyway."""

    began: str
    ended: str | None
    causes: list[str]
    reason: str


class DrillSums(msgspec.Struct, frozen=True):
    """Sums over a drill. Times are the longest ones, in seconds, None where there is none. ``left_out`` are messages
    that are counted and not shown one by one."""

    users: int
    logged_in: int
    received: int
    readable: int
    longest_until_readable: float | None
    home: int
    longest_until_home: float | None
    owed: int
    sent: int
    delivered: int
    longest_until_delivered: float | None
    left_out: int


class DrillReport(msgspec.Struct, frozen=True, rename={"starts": "from", "ends": "until", "administrator": "by"}):
    """The report of a drill. Times are in ISO 8601. ``state`` is ``complete`` when all of its mail is home; then
    ``made``, the date of the report, changes no more."""

    id: str
    domain: str
    starts: str
    ends: str
    administrator: str
    state: Literal["under way", "flowing back", "complete"]
    made: str
    sums: DrillSums
    users: list[DrillUser]
    received: list[DrillReceived]
    sent: list[DrillSent]
    outages: list[DrillOutage]


class _Tracked(NamedTuple):
    whose: int | str  # account, or sender's address in lower case
    id: int
    received: int
    sender: str
    recipient: str
    subject: str
    message_id: str
    size: int
    status: str
    outcome: str
    events: str


async def report(store: Store, drill: Drill) -> DrillReport:
    """Returns the report of a drill: the one that is kept, or as things stand now. Raises Temporary."""
    if drill.report:
        return msgspec.json.decode(drill.report, type=DrillReport)
    domain, addresses, logins, meanwhile = await store.read(partial(_facts, drill=drill))
    received, sent = await _walk(store, drill, addresses)
    names = dict(drill.users)
    shown_received = [_received(names[int(row.whose)], row) for row in received]
    shown_sent = [_sent(names[addresses[str(row.whose)]], row) for row in sent]
    now = store.clock.now()
    owed = sum(row.outcome == "owed" for row in received)
    over = bool(drill.ended) or drill.ends <= now
    waits = owed or any(row.status == events.QUEUED for row in sent)
    complete = over and (not waits or now - drill.over > FINAL_AFTER)
    return DrillReport(
        id=identifier.show(drill.id),
        domain=domain,
        starts=iso(drill.starts),
        ends=iso(drill.over),
        administrator=drill.by,
        state="complete" if complete else "flowing back" if over else "under way",
        made=iso(now),
        sums=_sums(drill, logins, shown_received, shown_sent, owed),
        users=[_user(account, address, logins, shown_received, shown_sent) for account, address in drill.users],
        received=shown_received[:MOST],
        sent=shown_sent[:MOST],
        outages=[_outage(one) for one in meanwhile],
    )


def _facts(tx: Transaction, drill: Drill) -> tuple[str, dict[str, int], list[Login], list[Outage]]:
    """The domain's name, the accounts by their addresses in lower case, logins, and real outages meanwhile."""
    name = next((domain.name for domain in all_domains(tx) if domain.id == drill.domain), "")
    addresses = {address.lower(): account for account, address in drill.users}
    for account in drill.accounts:
        addresses.update(dict.fromkeys(users.keys(tx, account), account))
    found = outages.listing(tx, domain=drill.domain, since=drill.starts, before=identifier.LAST, limit=_OUTAGES)
    return name, addresses, drills.logins(tx, drill.id), [one for one in found[::-1] if one.began < drill.over]


async def _walk(store: Store, drill: Drill, addresses: Mapping[str, int]) -> tuple[list[_Tracked], list[_Tracked]]:
    received: list[_Tracked] = []
    sent: list[_Tracked] = []
    after, end = identifier.first_at(drill.starts), identifier.first_at(drill.over)
    while True:
        step = partial(_step, drill=drill, senders=list(addresses), after=after, end=end)
        last, some_received, some_sent = await store.read(step)
        if last is None:
            return received, sent
        received += some_received
        sent += some_sent
        after = last


def _step(
    tx: Transaction, drill: Drill, senders: Collection[str], after: int, end: int
) -> tuple[int | None, list[_Tracked], list[_Tracked]]:
    last = tx.value(_LAST_OF_STEP, after=after, end=end, scan=SCAN)
    if last is None:
        return None, [], []
    received = tx.records(_Tracked, _RECEIVED, after=after, last=last, accounts=drill.accounts)
    return last, received, tx.records(_Tracked, _SENT, after=after, last=last, domain=drill.domain, senders=senders)


def _received(user: str, row: _Tracked) -> DrillReceived:
    happened = _decode_events(row.events)
    readable = next((time for time, _, code, _ in happened if code == events.REDIRECTED_CODE), None)
    home = None
    if row.outcome == "delivered":
        home = next((time for time, _, code, _ in reversed(happened) if 200 <= code < 300), None)
    return DrillReceived(
        id=identifier.show(row.id),
        user=user,
        time=iso(row.received),
        sender=row.sender,
        recipient=row.recipient,
        subject=row.subject,
        message_id=row.message_id,
        size=row.size,
        readable=_seconds(row.received, readable),
        home=_seconds(row.received, home),
        outcome=row.outcome,
    )


def _sent(user: str, row: _Tracked) -> DrillSent:
    delivered = _decode_events(row.events)[-1][0] if row.status == events.DELIVERED else None
    return DrillSent(
        id=identifier.show(row.id),
        user=user,
        time=iso(row.received),
        recipient=row.recipient,
        subject=row.subject,
        message_id=row.message_id,
        size=row.size,
        delivered=_seconds(row.received, delivered),
        status=row.status,
    )


def _seconds(begin: int, end: int | None) -> float | None:
    """To a millisecond; a clock that was set back in between makes nothing negative."""
    return None if end is None else round(max(end - begin, 0) / SECOND, 3)


def _user(
    account: int, address: str, logins: list[Login], received: list[DrillReceived], sent: list[DrillSent]
) -> DrillUser:
    return DrillUser(
        address=address,
        logins=[
            DrillLogin(login.door, iso(login.first), iso(login.last), login.times)
            for login in logins
            if login.account == account
        ],
        received=sum(row.user == address for row in received),
        sent=sum(row.user == address for row in sent),
    )


def _sums(
    drill: Drill, logins: list[Login], received: list[DrillReceived], sent: list[DrillSent], owed: int
) -> DrillSums:
    readable = [row.readable for row in received if row.readable is not None]
    home = [row.home for row in received if row.home is not None]
    delivered = [row.delivered for row in sent if row.delivered is not None]
    return DrillSums(
        users=len(drill.users),
        logged_in=len({login.account for login in logins}),
        received=len(received),
        readable=len(readable),
        longest_until_readable=max(readable, default=None),
        home=len(home),
        longest_until_home=max(home, default=None),
        owed=owed,
        sent=len(sent),
        delivered=len(delivered),
        longest_until_delivered=max(delivered, default=None),
        left_out=max(len(received) - MOST, 0) + max(len(sent) - MOST, 0),
    )


def _outage(outage: Outage) -> DrillOutage:
    ended = iso(outage.ended) if outage.ended else None
    return DrillOutage(iso(outage.began), ended, sorted(outage.causes), outage.reason)


async def keep(store: Store) -> None:
    """Keeps the reports of all drills that are complete. Raises Temporary."""
    for drill in await store.read(partial(drills.unreported, limit=_AT_ONCE)):
        made = await report(store, drill)
        await keep_complete(store, drill, made)


async def keep_complete(store: Store, drill: Drill, made: DrillReport) -> None:
    """Keeps that report of a drill, if it is complete and none is kept. Raises Temporary."""
    if made.state == "complete" and not drill.report:
        text = msgspec.json.encode(made).decode()
        await store.run(partial(drills.keep_report, drill=drill.id, report=text), bulk=True)
