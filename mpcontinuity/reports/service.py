"""Finds rows that have ended or are late and whose sender was not told, and sends reports.

One process at a time does this.

What is still to be told stands in the rows themselves (queue/unreported.py), so that a crash forgets nothing. A report
is kept in the transaction that takes the mark off the rows, so that none is sent twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

import msgspec
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mpcontinuity.accounts import home_state
from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.mailbox.rendering import rendered
from mpcontinuity.message.report import DELAYED, DELIVERED, FAILED, MOST_RETURNED, RELAYED
from mpcontinuity.message.summary import summarise
from mpcontinuity.message.trace import return_path
from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.errors import Corrupt, Stopping, Temporary
from mpcontinuity.model.events import DomainsChanged, Everything, Notice, ReportDue
from mpcontinuity.model.identifier import show
from mpcontinuity.model.outgoing import DSN
from mpcontinuity.model.settings import DomainSettings, Retry
from mpcontinuity.model.timer import Alarm, Timer
from mpcontinuity.queue import unreported
from mpcontinuity.queue.unreported import LATE, START, STEP, Changed, Unreported
from mpcontinuity.reports import placing, policy
from mpcontinuity.reports.composing import compose
from mpcontinuity.reports.placing import NewReport, NoInbox, Sender
from mpcontinuity.reports.policy import Facts, ReportDecision
from mpcontinuity.routing.decision import Decision
from mpcontinuity.routing.health import State
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

ELECTION = "reports"
GATHER = 1.0  # seconds in which the recipients of a message come to their ends together, mostly: one report tells all
POLL = 60.0  # seconds; notices are what usually wakes it
_AGAIN = 5.0  # after a failure of the store, and while it is not known yet who sent something

_NO_DOMAIN = DomainSettings()  # of what is no domain of ours (any more)

_log = Logger()


class _Group(msgspec.Struct, frozen=True):
    """What one report tells: rows of one message, sender and action."""

    rows: list[Unreported]
    silent: list[Unreported]


class Reports:
    """The service that sends reports.

    It lives in the reactor thread. ``counts`` has the reports since the start, by action.
    """

    def __init__(self, store: Store, directory: Directory, *, hostname: str, retry: Retry, timer: Timer) -> None:
        self.counts: Counter[str] = Counter(dict.fromkeys((FAILED, DELAYED, DELIVERED, RELAYED), 0))
        self._store = store
        self._directory = directory
        self._hostname = hostname
        self._give_up = int(retry.give_up * SECOND)
        self._delay = int(retry.delay_notice * SECOND)
        self._timer = timer
        self._alarm: Alarm | None = None
        self._looking = self._again = self._stopping = False
        self._open = False  # it is not known yet who sent something
        self._stopped: list[Deferred[None]] = []

    def start(self) -> None:
        """Sends the reports that an earlier process left, and then waits for notices."""
        self._store.listen(self._heard)
        self._look_in(0.0)

    def stop(self) -> Deferred[None]:
        """Stops. The Deferred fires when the report that is being made is kept."""
        self._stopping = True
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()
        stopped: Deferred[None] = Deferred()
        self._stopped.append(stopped)
        self._maybe_stopped()
        return stopped

    def _heard(self, notices: Sequence[Notice]) -> None:
        # A policy that changes, a flush that resumes and a domain that leaves continuity are seen by the next poll.
        if any(isinstance(notice, ReportDue | DomainsChanged | Everything) for notice in notices):
            self._look_in(GATHER)

    def _look_in(self, seconds: float) -> None:
        if self._stopping:
            return
        if self._looking:
            self._again = True
            return
        if self._alarm is not None and self._alarm.active():
            if self._alarm.getTime() <= self._timer.seconds() + seconds:
                return
            self._alarm.cancel()
        self._alarm = self._timer.callLater(seconds, self._begin)

    def _begin(self) -> None:
        self._looking, self._again = True, False
        Deferred.fromCoroutine(self._look())

    async def _look(self) -> None:
        wait = POLL
        try:
            if await self._store.election.hold(ELECTION, 0):
                self._open = False
                await self._report_all()
                wait = await self._until_next_late()
                wait = min(wait, _AGAIN) if self._open else wait
        except Stopping:
            pass
        except Temporary as error:
            _log.warn("reports wait: {error}", error=str(error), often=True)
            wait = _AGAIN
        except Exception:
            _log.failure("reports failed and begin anew")
        finally:
            self._looking = False
            self._look_in(min(GATHER, wait) if self._again else wait)
            self._maybe_stopped()

    def _maybe_stopped(self) -> None:
        if self._stopping and not self._looking:
            stopped, self._stopped = self._stopped, []
            for each in stopped:
                self._store.election.release(ELECTION, 0)
                each.callback(None)

    async def _until_next_late(self) -> float:
        now = self._store.clock.now()
        received = await self._store.read(partial(unreported.next_late, after=now - self._delay))
        if received is None:
            return POLL
        return min(POLL, max((received + self._delay - now) / SECOND, GATHER))

    # What is to be told

    async def _report_all(self) -> None:
        before = self._store.clock.now() - self._delay
        for read in (unreported.ended, unreported.failed, partial(unreported.late, before=before)):
            await self._all_of(read)

    async def _all_of(self, read: Callable[..., list[Unreported]]) -> None:
        after = START
        while True:
            rows = await self._store.read(partial(read, after=after))
            for rows_of_one in _by_message(rows):
                if self._stopping:
                    return
                await self._tell(rows_of_one)
            if len(rows) < STEP:
                return
            after = rows[-1].place

    async def _tell(self, rows: list[Unreported]) -> None:
        """Of one message and action. One that cannot be told stops no other."""
        try:
            sender = await self._store.read(partial(placing.sender_of, row=rows[0]))
            domain = await self._domain(sender.domain if sender and sender.domain else rows[0].domain)
            group = await self._decide(rows, sender, domain)
            if sender is not None and group.rows:
                await self._report(group, sender, domain)
            elif group.silent:
                await self._store.run(partial(unreported.reported, rows=group.silent))
        except Changed:
            pass  # reopened, or told by another process: what is left to tell is found again
        except (Stopping, Temporary):
            raise
        except Exception:
            _log.failure("not reported: {ids}", ids=", ".join(show(row.id) for row in rows))

    async def _domain(self, number: int) -> Domain | None:
        return next((domain for domain in await self._directory.domains() if domain.id == number), None)

    async def _decide(self, rows: list[Unreported], sender: Sender | None, domain: Domain | None) -> _Group:
        if sender is None:
            return _Group([], rows)
        settings = domain.settings if domain else _NO_DOMAIN
        declared = domain is not None and domain.mode(self._store.clock.now()) == "enabled"
        away = domain is not None and rows[0].found == LATE and await self._away(domain.id)
        group = _Group([], [])
        for row in rows:
            facts = Facts(
                own=sender.account is not None,
                proven=sender.proven,
                bounce_policy=settings.bounce_policy,
                declared=declared,
                on_continuity=declared or away,
                seen=await self._seen(row),
            )
            decision = policy.decide(row, facts)
            if decision is ReportDecision.REPORT:
                group.rows.append(row)
            elif decision is not ReportDecision.WAIT:
                group.silent.append(row)
            self._open |= decision is ReportDecision.WAIT and sender.proven is None
            if decision is ReportDecision.UNPROVEN:
                _log.info(
                    "no report to <{sender}> about <{recipient}>: nothing proves who sent it",
                    message=show(row.body.id),
                    sender=row.reverse_path,
                    recipient=row.recipient,
                )
        return group

    async def _away(self, domain: int) -> bool:
        """Whether its home server is. As all processes see it: what the table says."""
        state = await self._store.read(partial(home_state.state, domain=domain))
        return state not in (None, State.UP)

    async def _seen(self, row: Unreported) -> bool:
        if row.found != unreported.OWED or row.account is None:
            return False
        seen: bool = await self._store.read(partial(unreported.seen, account=row.account, body=row.body.id))
        return seen

    # The report

    async def _report(self, group: _Group, sender: Sender, domain: Domain | None) -> None:
        store = self._store
        identifier, now = store.identifiers.next(), store.clock.now()
        hosts = await store.read(lambda tx: {row.id: unreported.host(tx, row.id) for row in group.rows})
        content = compose(
            group.rows,
            hosts,
            await self._original(group.rows[0]),
            sender=sender.address.text,
            hostname=self._hostname,
            identifier=show(identifier),
            time=now,
        )
        summary = summarise(content)
        own = sender.account is not None
        settings = domain.settings if domain else _NO_DOMAIN
        prefix = return_path("") if own else b""
        whole = prefix + content
        report = NewReport(
            id=identifier,
            time=now,
            to=sender,
            rows=group.rows,
            silent=group.silent,
            subject=summary.subject,
            message_id=summary.message_id,
            retention_days=settings.retention_days,
            expires=now + self._give_up,
            plain=content.isascii(),
            rendered=await rendered(self._store, whole) if own else b"",
        )
        try:
            await self._keep(report, whole, len(prefix), domain)
        except NoInbox:
            await store.run(partial(unreported.reported, rows=[*group.rows, *group.silent]))
            return
        self._said(report, policy.action_of(group.rows[0]))

    async def _keep(self, report: NewReport, content: bytes, prefix: int, domain: Domain | None) -> None:
        store, own = self._store, report.to.account is not None
        address = report.to.address.text
        draft = store.bodies.draft(retention_days=report.retention_days)
        try:
            draft.write(content)
            head = Head(
                id=report.id,
                time=report.time,
                direction="inbound" if own else DSN,
                recipients=(address,),
                # An index that is built anew puts it into INBOX again; a stranger is not told twice.
                decisions={address: Decision.REDIRECT.value} if own else {},
                prefix=prefix,
                subject=report.subject,
                message_id=report.message_id,
                owed=(report.id,),
            )
            # A stranger's is needed as long as it is on its way, which its row says.
            await store.keep(
                draft,
                head,
                partial(_place, report=report, domain=domain.id if domain else 0),
                keep_until=0 if own else report.time,
            )
        finally:
            draft.discard()

    async def _original(self, row: Unreported) -> bytes:
        """As much of it as a report may give back; nothing of what is damaged."""
        body = row.body
        try:
            return await self._store.bodies.read(body, body.prefix, body.prefix + MOST_RETURNED + 1)
        except Corrupt as error:
            _log.error("a report without its message: {reason}", reason=str(error), message=show(body.id))
            return b""

    def _said(self, report: NewReport, action: str) -> None:
        self.counts[action] += 1
        _log.info(
            "report to <{sender}>: {action}: {recipients}",
            message=show(report.rows[0].body.id),
            owed=show(report.id),
            sender=report.to.address.text,
            action=action,
            recipients=", ".join(f"<{row.recipient}>" for row in report.rows[:100]),
        )


def _place(tx: Transaction, body: Body, report: NewReport, domain: int) -> None:
    if report.to.account is not None:
        placing.into_inbox(tx, body, report)
    else:
        placing.on_its_way(tx, body, report, domain)


def _by_message(rows: Sequence[Unreported]) -> list[list[Unreported]]:
    """Those of one message that the same sender hears the same of."""
    groups: dict[tuple[object, ...], list[Unreported]] = {}
    for row in rows:
        own = row.account if row.found != unreported.OWED else None
        key = (row.body.id, row.domain, own, row.reverse_path, policy.action_of(row))
        groups.setdefault(key, []).append(row)
    return list(groups.values())
