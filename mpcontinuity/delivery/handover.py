"""Settles a complete message: it goes to the home server that took its recipients, or into continuity.

The order is the promise (design 13): the body is durable before home gets its final dot, and 250 is said when home has
the message or the transaction that owes it is committed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from functools import partial

import msgspec
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mpcontinuity.accounts.domains import Domain
from mpcontinuity.accounts.relay_check import person
from mpcontinuity.delivery import answered, redirect, relay, replies
from mpcontinuity.delivery.awaited import STOPPED
from mpcontinuity.delivery.envelope import Message, Taken
from mpcontinuity.delivery.redirect import OWED_DECISIONS, Redirect
from mpcontinuity.delivery.relay import Relayed
from mpcontinuity.delivery.service import IN_DOUBT, KEPT, PASSED, REDIRECTED, REPEATED, Delivery, refused
from mpcontinuity.delivery.vacation import away
from mpcontinuity.mailbox.rendering import rendered
from mpcontinuity.model import events, identifier
from mpcontinuity.model.address import parse
from mpcontinuity.model.body import Body, Content, InMemory
from mpcontinuity.model.events import OwedChanged, TrackingEvent
from mpcontinuity.model.owed import DELIVERED
from mpcontinuity.model.reply import Outcome, Reply, Stage, Verdict
from mpcontinuity.outbound.transaction import PeerTransaction
from mpcontinuity.queue.owed import encode_parameters, event_of, late_reply
from mpcontinuity.routing.decision import Decision, Policy, at_message, copied
from mpcontinuity.store.bodies.draft import MIB, Draft
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking.record import NewRow

_IN_A_LINE = 100  # recipients: journals cut longer lines

_log = Logger()


@dataclass(slots=True)
class Handover:
    """One message on its way to home or into continuity.

    ``policy`` is that of its domains, ``checked`` are those of them that have `relay-check`. The caller discards the
    draft.
    """

    delivery: Delivery
    message: Message
    draft: Draft
    head: Head
    policy: Policy
    checked: tuple[Domain, ...] = ()
    home_name: str = ""  # where no host answered
    session: str = ""  # for the log
    reports: bool = True  # home tells the sender what becomes of it (RFC 3461)
    tells: bool = False  # home has it, and it is for us to report that
    answers: bool = False  # home has it, and a vacation text may answer it
    # Asked when the message is complete: the policy by then, and why nothing may go home (empty: it may).
    look_again: Callable[[], Awaitable[tuple[Policy, str]]] | None = None

    async def keep(self, for_inbox: bytes) -> Reply:
        """Stores the message without asking home, and returns the reply to it. Raises Temporary.

        ``for_inbox`` is the message as it is rendered for INBOX, empty where it goes into none.
        """
        message = self.message
        redirected = Redirect(message, for_inbox, retry_after=self.delivery.retry_after)
        if not await self.delivery.store.keep_grouped(self.draft, self.head, redirect.commit, redirected):
            return self._known()
        kept = all(one.decision is Decision.KEEP for one in message.taken)
        self._settled(KEPT if kept else REDIRECTED, message.taken[0].because)
        return replies.STORED

    async def relay(self, begun: PeerTransaction | None, begin: Callable[[], PeerTransaction]) -> Reply:
        """Hands the message to home, which has taken its recipients, and returns the reply to it. Raises Temporary.

        The recipients stand in the transaction ``begun``; where that is gone (None) they are asked for again in one
        that ``begin`` makes.
        """
        try:
            body, known = await self._durable()
        except BaseException:
            if begun is not None:
                begun.abandon()
            raise
        if known and begun is not None:
            begun.abandon()  # home cannot be told to forget a recipient: those that are left are asked for again
            begun = None
        new = tuple(one for one in self.message.taken if one.fingerprint not in known)
        if not new:
            return self._known()
        self.message = msgspec.structs.replace(self.message, taken=new)
        if self.look_again is not None:
            self.policy, why_not = await self.look_again()
            if why_not:
                if begun is not None:
                    begun.abandon()
                withdrawn = Outcome(Verdict.TEMPORARY, Stage.DATA, None, why_not)
                return await self._not_accepted(body, self.home_name, withdrawn, None)
        if begun is not None:
            return await self._hand_over(body, begun)
        transaction = begin()
        outcomes = []
        for one in self.message.taken:  # home took them once, and perhaps not twice
            outcome = await transaction.recipient(one.address, one.parameters)
            outcomes.append(outcome)
            if outcome.verdict is not Verdict.ACCEPTED and outcome.stage is not Stage.RCPT:
                break
        if all(outcome.verdict is not Verdict.ACCEPTED for outcome in outcomes) or len(outcomes) < len(new):
            transaction.abandon()
            return await self._not_accepted(body, self._host(transaction), outcomes[-1], None)
        again = list(zip(self.message.taken, outcomes, strict=True))
        others = [self._not_again(*each, self._host(transaction)) for each in again if not _accepted(each[1])]
        self.message = msgspec.structs.replace(self.message, taken=tuple(one for one, each in again if _accepted(each)))
        reply = await self._hand_over(body, transaction)
        if others and reply.positive:
            await self._keep_apart(msgspec.structs.replace(self.message, taken=tuple(others)))
        return reply

    def _not_again(self, taken: Taken, outcome: Outcome, host: str) -> Taken:
        """It was answered 250, so it is owed, and redelivery finds out what home means by it. The others go on."""
        return replace(
            taken,
            decision=Decision.REDIRECT if taken.user is not None else Decision.HOLD,
            because=because(host, outcome),
            attempts=(*taken.attempts, event_of(outcome, host, self.delivery.store.clock.now())),
        )

    async def _keep_apart(self, message: Message) -> None:
        """Recipients that home did not take with the others: a message of their own, which it is owed. Raises
        Temporary; the client then sends to all again, and those that home has are known."""
        store = self.delivery.store
        message = msgspec.structs.replace(message, id=store.identifiers.next())
        draft = copied_draft(store, self.draft, message.retention_days)
        try:
            head = msgspec.structs.replace(
                self.head,
                id=message.id,
                recipients=tuple(one.address.text for one in message.taken),
                decisions={one.address.text: one.decision.value for one in message.taken},
                owed=tuple(one.owed for one in message.taken),
                parameters=encode_parameters(message.parameters, [one.parameters for one in message.taken]),
            )
            apart = Handover(self.delivery, message, draft, head, self.policy, session=self.session)
            for_inbox = await apart._rendered() if in_inbox(message) else b""
            redirected = Redirect(message, for_inbox, retry_after=self.delivery.retry_after)
            if await store.keep_grouped(draft, head, redirect.commit, redirected):
                apart._settled(REDIRECTED, message.taken[0].because)
        finally:
            draft.discard()

    async def _hand_over(self, body: Body, transaction: PeerTransaction) -> Reply:
        """To home, which has taken the recipients."""
        answer = Deferred.fromCoroutine(transaction.message(self._head_field(), self._for_home(body)))
        answer.addErrback(self._broke)
        outcome = await self.delivery.awaited.wait(answer)
        if outcome.verdict is Verdict.ACCEPTED:
            self.reports = transaction.dsn
            return await self._accepted(body, transaction.host, outcome)
        late = answer if outcome is STOPPED else transaction.late
        return await self._not_accepted(body, self._host(transaction), outcome, late)

    def _host(self, transaction: PeerTransaction) -> str:
        return transaction.host or self.home_name

    async def _durable(self) -> tuple[Body, set[bytes]]:
        """The body, synced, and the fingerprints that were answered before; both are asked for at the same time."""
        store = self.delivery.store
        looked_up = store.read(partial(answered.find, fingerprints=[one.fingerprint for one in self.message.taken]))
        try:
            body = await store.bodies.keep(self.draft, self.head)
        except BaseException:
            looked_up.addErrback(lambda _: None)
            raise
        return body, await looked_up

    def _head_field(self) -> bytes:
        """One id, of the first recipient: as many as there are would tell everybody how many, Bcc too."""
        return b"X-MPContinuity-Id: %s\r\n" % identifier.show(self.message.taken[0].owed).encode()

    def _for_home(self, body: Body) -> Content:
        """Without Return-Path, which the server that delivers writes itself (RFC 5321 §4.4)."""
        content = self.draft.content()
        if isinstance(content, bytes):
            return InMemory(content[self.head.prefix :])
        return self.delivery.store.bodies.content(body, skip_prefix=True)

    def _broke(self, failure: object) -> Outcome:
        """A fault of ours while home was handed the message: nobody knows how far it came."""
        _log.error("handing over failed: {failure}", message=self._shown, failure=failure)
        return Outcome(Verdict.DOUBTFUL, Stage.MESSAGE, None, "a fault of ours in handing the message over")

    async def _rendered(self) -> bytes:
        """What INBOX needs."""
        return await rendered(self.delivery.store, self.draft.content())

    # Home has it

    async def _accepted(self, body: Body, host: str, outcome: Outcome) -> Reply:
        """250, whatever becomes of our commit: home has the message."""
        assert outcome.reply is not None
        self.delivery.store.bodies.outcome(
            body.id, {one.address.text: Decision.PASS.value for one in self.message.taken}
        )
        try:
            copies = tuple(one for one in self.message.taken if copied(self.policy, one.known))
            await self._record(body, host, outcome.reply, copies, await self._rendered() if copies else b"")
        except Exception as error:
            self.delivery.not_recorded(self._shown, error)
        else:
            self.delivery.store.bodies.recorded(body.id)
            self.tells = relay.tells(self.message, reports=self.reports)
            self.answers = bool(away(self.message.taken, kept=False))
        self._settled(PASSED, f"{host} {outcome.text}")
        return Reply(250, outcome.reply.enhanced or "2.0.0", outcome.reply.text)

    async def _record(
        self, body: Body, host: str, reply: Reply, copies: tuple[Taken, ...] = (), for_inbox: bytes = b""
    ) -> None:
        newcomers, renewed = await self._newcomers() if self.checked else ({}, frozenset())
        relayed = Relayed(self.message, host, reply, newcomers, copies, for_inbox, renewed, self.reports)
        if relay.adds_user(relayed):
            await self.delivery.store.run(partial(relay.commit, messages=[(body, relayed)]))
        else:
            await self.delivery.store.run_grouped(relay.commit, (body, relayed))

    async def _newcomers(self) -> tuple[dict[int, int], frozenset[str]]:
        """How many users may be added, by domain, and whose addresses are to be noted as taken."""
        newcomers = self.delivery.newcomers
        checked = {domain.id: domain for domain in self.checked}
        unregistered = {
            one.domain for one in self.message.taken if one.user is None and person(one.address) is not None
        }
        most = {
            number: await newcomers.most(checked[number], self.delivery.homes.of(checked[number]))
            for number in sorted(unregistered & checked.keys())
        }
        known = [one.user.address for one in self.message.taken if one.user is not None and one.domain in checked]
        return most, frozenset(newcomers.unnoted({parse(address).key for address in known}))

    # Home has it not, or nobody knows

    async def _not_accepted(self, body: Body, host: str, outcome: Outcome, late: Deferred[Outcome] | None) -> Reply:
        decisions = at_message(self.policy, [one.known for one in self.message.taken], outcome)
        if decisions[0] is Decision.REPLY and outcome.reply is not None:
            self.delivery.store.bodies.forget(body.id)
            self._refused(outcome.reply, host, outcome)
            return outcome.reply
        if not decisions[0].stores:
            if late is not None:
                late.addCallback(partial(self._late_without_owed, body, host))
            else:
                self.delivery.store.bodies.forget(body.id)
            self._refused(replies.HOME_AWAY, host, outcome)
            return replies.HOME_AWAY
        return await self._redirect_after(body, host, outcome, decisions, late)

    async def _redirect_after(
        self, body: Body, host: str, outcome: Outcome, decisions: list[Decision], late: Deferred[Outcome] | None
    ) -> Reply:
        first = self.message.taken[0].owed
        taken = tuple(
            replace(one, decision=decision, shown="" if one.owed == first else identifier.show(first))
            for one, decision in zip(self.message.taken, decisions, strict=True)
        )
        message = self.message = msgspec.structs.replace(self.message, taken=taken)
        store = self.delivery.store
        token = store.identifiers.next() if late is not None else 0
        in_doubt, now = outcome.verdict is Verdict.DOUBTFUL, store.clock.now()
        redirected = Redirect(
            message,
            await self._rendered() if in_inbox(message) else b"",
            attempt=(event_of(outcome, host, now),),
            because=because(host, outcome),
            in_doubt=in_doubt,
            token=token,
            retry_after=self.delivery.retry_after,
        )
        if not await store.run_grouped(redirect.commit, (body, redirected)):
            return self._known()
        store.bodies.outcome(body.id, {one.address.text: one.decision.value for one in taken})
        if late is not None:
            owed = [one.owed for one in taken if message.owes and one.decision in OWED_DECISIONS]
            late.addCallback(partial(self._late, body, owed, token, host))
        self._settled(IN_DOUBT if in_doubt else REDIRECTED, redirected.because)
        return replies.STORED

    def _late(self, body: Body, owed: list[int], token: int, host: str, outcome: Outcome) -> Outcome:
        """Home's reply came after our 250, or is not to be had any more."""
        if outcome.verdict is Verdict.ACCEPTED:
            self.delivery.store.bodies.note(body, {one.address.text: DELIVERED for one in self.message.taken})
        domains = {one.domain for one in self.message.taken}
        work = partial(_late_replies, domains=domains, owed=owed, token=token, outcome=outcome, host=host)
        self.delivery.insist(self._shown, lambda: self.delivery.store.run(work))
        self._say("late reply", because(host, outcome))
        return outcome

    def _late_without_owed(self, body: Body, host: str, outcome: Outcome) -> Outcome:
        """The client was told to try again, and home had it after all: it will be answered that we know it."""
        if outcome.verdict is Verdict.ACCEPTED and outcome.reply is not None:
            reply = outcome.reply
            record: Callable[[], Deferred[None]] = lambda: Deferred.fromCoroutine(self._record(body, host, reply))  # noqa: E731
            self.delivery.insist(self._shown, record)
            self._say("late reply", because(host, outcome))
        return outcome

    # What is said of it

    def _refused(self, reply: Reply, host: str, outcome: Outcome) -> None:
        event = event_of(outcome, host, self.delivery.store.clock.now())
        for one in self.message.taken:
            self.delivery.refusals.add(refusal(self.message, one, reply, (*one.attempts, event)))
        self._settled(refused(reply), f"{reply}; {because(host, outcome)}")

    @property
    def _shown(self) -> str:
        return identifier.show(self.message.id)

    def _known(self) -> Reply:
        """Every recipient was answered 250 before."""
        self._settled(REPEATED, "taken before, in another session")
        return replies.KNOWN

    def _settled(self, what: str, why: str) -> None:
        self.delivery.outcomes[what] += len(self.message.taken)
        self._say(what, why)

    def _say(self, what: str, why: str) -> None:
        taken = self.message.taken
        for begin in range(0, len(taken), _IN_A_LINE):
            some = taken[begin : begin + _IN_A_LINE]
            _log.info(
                "{what}: <{sender}> to {recipients}: {why}",
                session=self.session,
                message=self._shown,
                owed=",".join([identifier.show(one.owed) for one in some]),
                sender=self.message.reverse_path,
                recipients=", ".join([f"<{one.address.text}>" for one in some]),
                what=what,
                why=why,
            )


def _accepted(outcome: Outcome) -> bool:
    return outcome.verdict is Verdict.ACCEPTED


def copied_draft(store: Store, draft: Draft, retention_days: int) -> Draft:
    """Returns a second draft of the same message. Raises Temporary where there is no room for it."""
    again = store.bodies.draft(retention_days=retention_days)
    content = draft.content()
    try:
        for start in range(0, draft.size, MIB):
            again.write(content[start : start + MIB])
    except BaseException:
        again.discard()
        raise
    return again


def in_inbox(message: Message) -> bool:
    """Returns whether the message goes into the INBOX of any user."""
    return any(one.decision is Decision.REDIRECT for one in message.taken)


def because(host: str, outcome: Outcome) -> str:
    """Returns why home was passed by, fit for tracking; where no reply came, the reason says who was asked."""
    return outcome.reason if outcome.reply is None else f"{host} at {outcome.stage.value}: {outcome.reply}"


def refusal(message: Message, taken: Taken, reply: Reply, attempts: tuple[TrackingEvent, ...]) -> NewRow:
    """Returns the row of `tracking` for a recipient of a message that was refused."""
    return message.row(taken, events.REJECTED, reply.code, reply.line, attempts)


def _late_replies(
    tx: Transaction, domains: Collection[int], owed: list[int], token: int, outcome: Outcome, host: str
) -> None:
    for owed_id in owed:
        late_reply(tx, owed_id, token, outcome, host, next_attempt=tx.now)
    for domain in domains:
        tx.announce(OwedChanged(domain))  # what home did not take after all is due, and nobody looks at it otherwise
