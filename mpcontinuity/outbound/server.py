"""A home server: its state, its sessions, and what is asked of it."""

from __future__ import annotations

from collections.abc import Collection, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mpcontinuity.model import address
from mpcontinuity.model.address import Address
from mpcontinuity.model.clock import Clock
from mpcontinuity.model.parameters import MailParameters
from mpcontinuity.model.reply import Outcome, Reply, Stage, Verdict
from mpcontinuity.model.settings import Home
from mpcontinuity.model.timer import Alarm, Timer
from mpcontinuity.outbound.capacity import Capacity, may_be_limit, says_limit
from mpcontinuity.outbound.mailboxes import MOST_RECENT, Mailboxes
from mpcontinuity.outbound.opening import ClientEnvironment, NotOpened, Opener, Security, targets
from mpcontinuity.outbound.pool import Pool
from mpcontinuity.outbound.probing import ask, observation
from mpcontinuity.outbound.session import Session
from mpcontinuity.outbound.transaction import PeerTransaction, reset
from mpcontinuity.protocols.smtp.client import Offers, outcome
from mpcontinuity.routing import health
from mpcontinuity.routing.health import Gate, Health, Observation, State

LATE = 600.0  # seconds that a late reply to a message is waited for (RFC 5321 §4.5.3.2.6)
LATELY = (
    120.0  # seconds after a message that home took in which it may mean a limit when it puts off everything: limits
)
# are per minute at the longest, and what lasts longer is an outage for whoever waits
# Seconds, or one interval of probes where that is less, that others' messages have to show that home takes some, when
# it puts off several: without them whoever finds what it puts off for its content would bring it down by three at once.
# Nobody waits meanwhile, as each is redirected at once; a home that takes none has to be known within a minute.
OTHERS_SHOW = 15.0
TRY_AGAIN = 2  # intervals of probes between two messages that try whether it takes any again
_WITH_MAIL = frozenset({Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.MESSAGE})
_NAMED = 3  # domains of one home server, in a line of the log

_log = Logger()


@dataclass(frozen=True, slots=True)
class Observed:
    """An observation that changed the health, with its time in µs."""

    observation: Observation
    time: int
    reason: str


class View(Protocol):
    """A home server as one domain sees it (outbound/home.py)."""

    name: str

    def note(self, observed: Observed) -> None:
        """Is told that the health has changed by this observation."""
        ...

    def changed(self) -> None:
        """Is told that the health has changed."""
        ...

    async def users(self) -> list[Address]:
        """Returns some addresses that home should know."""
        ...


class Server:
    """One home server, however many domains name it: its state, its sessions, and what is asked of it.

    It lives in the reactor thread. ``views`` are the domains', by their ids.
    """

    def __init__(
        self,
        hosts: tuple[str, ...],
        security: Security,
        environment: ClientEnvironment,
        clock: Clock,
        bears: Capacity,
        known: Health,
    ) -> None:
        self.hosts = hosts
        self.security = security
        self.health = known
        self.offers = Offers()  # of the last EHLO; homes/ keeps it across restarts
        self.views: dict[int, View] = {}
        self.remembered = False  # what the store knew of it is loaded
        self.title = "The home server"
        self.patience = environment.settings.patience
        self.asks_again = True
        self.late = LATE
        limits = environment.settings
        self.holds = max(limits.connect_timeout, limits.reply_timeout, limits.message_timeout)
        self.timer: Timer = environment.timer
        self.settings: Home = environment.settings
        self._clock = clock
        self._recovery_probes = environment.settings.recovery_probes
        self._trying: PeerTransaction | None = None  # the one that tries a suspect, or one that only a message proves
        self._tried = float("-inf")  # when one did last
        self._put_off: set[tuple[str, ...]] = set()  # messages since it took one
        self._put_off_since = 0.0  # when the first of them was
        self._withheld: list[str] = []  # what was said to the first of them, while others may show that it takes some
        self._showing: Alarm | None = None
        self._served = float("-inf")  # when it answered a message last
        self._mailboxes = Mailboxes()
        self._examining = False
        self.pool = Pool(
            Opener(environment, security, targets(hosts)),
            bears,
            environment.timer,
            self.observe,
            stall=max(environment.settings.reply_timeout, environment.settings.message_timeout),
            is_limit=self._is_limit,
            leaves_some=True,
        )

    @property
    def names(self) -> str:
        """The names of its domains, for the log."""
        names = [self.views[each].name for each in sorted(self.views)]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        return ", ".join(names[:_NAMED]) + more

    def gate(self) -> Gate:
        """Returns what a new message finds. TRY is given to one at a time, who may begin a transaction now."""
        way = health.gate(self.health, self._clock.now())
        return Gate.SHUT if way is Gate.TRY and (self._trying is not None or self._tried_of_late()) else way

    def _tried_of_late(self) -> bool:
        """While it is down and only a message shows that it is back."""
        return (
            self.health.state is State.DOWN
            and self.timer.seconds() - self._tried < TRY_AGAIN * self.settings.probe_interval
        )

    def transaction(
        self, reverse_path: Address | None, parameters: MailParameters, *, client: str = ""
    ) -> PeerTransaction:
        """Returns a new transaction, for the client host ``client``. Nothing is said to home before the first
        recipient."""
        transaction = PeerTransaction(self, reverse_path, parameters, client=client)
        if self.gate() is Gate.TRY:
            self._trying = transaction
            self._tried = self.timer.seconds()
        return transaction

    async def probe(self, recipient: Address | None) -> Outcome:
        """Asks home on a fresh session for MAIL and RCPT of a known user, and returns the outcome. Observes nothing
        itself.

        Where home ends the session at that user, it is asked for another one.
        """
        outcome = await self._probe(recipient)
        if recipient is None or outcome.stage is not Stage.RCPT or observation(outcome) is Observation.PROBE_GOOD:
            return outcome
        return await self._probe_others(recipient) or outcome

    async def _probe(self, recipient: Address | None) -> Outcome:
        opened = await self.pool.opener.open(probe=True)
        if isinstance(opened, NotOpened):
            if opened.refused and self.pool.size:
                reason = f"serves {self.pool.size} other sessions of ours: {opened.outcome.text}"
                return Outcome(Verdict.ACCEPTED, opened.outcome.stage, opened.outcome.reply, reason)
            return self._unless_limit(opened.outcome)
        self.offers = opened.offers
        self.pool.prefer(opened.host)
        try:
            return self._unless_limit(await ask(opened, self._postmaster(), recipient, self.settings.reply_timeout))
        finally:
            opened.quit()

    async def _probe_others(self, recipient: Address) -> Outcome | None:
        """A good answer for somebody else; None: there is none, and it is the server's fault."""
        since = self.timer.seconds()
        for other in await self._others(recipient):
            outcome = await self._probe(other)
            if observation(outcome) is Observation.PROBE_GOOD:
                return outcome
            if self.timer.seconds() - since >= self.settings.reply_timeout:  # silence has to end
                break
        return None

    async def _others(self, recipient: Address) -> list[Address]:
        """Recipients that home should take; the postmaster, whom every server has, where no other is known."""
        known = self._mailboxes.taken_beside(recipient)
        if not known and self.views:
            known = [each for each in await self.views[min(self.views)].users() if each.key != recipient.key]
        postmaster = self._postmaster()
        return known[:MOST_RECENT] or ([postmaster] if postmaster is not None else [])

    def _unless_limit(self, outcome: Outcome) -> Outcome:
        if not self._is_limit(outcome):
            return outcome
        reason = f"has served a moment ago, and now: {outcome.text}"
        return Outcome(Verdict.ACCEPTED, outcome.stage, outcome.reply, reason)

    def _postmaster(self) -> Address | None:
        """Of the domain that has named it longest."""
        return address.parse(f"postmaster@{self.views[min(self.views)].name}") if self.views else None

    def observe(self, observed: Observation, reason: str = "") -> None:
        """Changes the health by what was observed, and tells the domains."""
        if observed is Observation.SERVED:
            self._served = self.timer.seconds()
            self._forget_put_off()
            self._tried = float("-inf")  # the next may follow at once, where more than one is needed
            self.pool.capacity.served()
        now = self._clock.now()
        after = health.observe(self.health, observed, now, self._recovery_probes, reason)
        if observed is Observation.SLOW and self.pool.wanted:  # the others do not wait
            because = f"the home server is slow: {reason}"
            self.pool.turn_away(Outcome(Verdict.FAILED, Stage.CONNECT, None, because))
        if after != self.health:
            for view in self.views.values():
                view.note(Observed(observed, now, reason))
            self._become(after)

    def adopt(self, known: Health, observed: Sequence[Observed]) -> None:
        """Adopts the health to which another process changed it; what was observed here meanwhile is observed of it."""
        if self.health.state is State.DOWN and (known.state, known.since) == (State.DOWN, self.health.since):
            known = replace(known, good_probes=self.health.good_probes, glimpsed=self.health.glimpsed)
        for each in observed:
            known = health.observe(known, each.observation, each.time, self._recovery_probes, each.reason)
        if known != self.health:
            self._become(known)

    def _become(self, after: Health) -> None:
        before, self.health = self.health, after
        if self.health.state is State.DOWN and before.state is not State.DOWN:
            because = f"the home server is down: {after.reason}"
            self._forget_put_off()
            self.pool.refuse(Outcome(Verdict.FAILED, Stage.CONNECT, None, because))
        if self.health.state is not before.state:
            _log.info(
                "home server of {domain} is {state}{because}",
                domain=self.names,
                state=self.health.state.value,
                because=f": {self.health.reason}" if self.health.reason else "",
            )
        for view in list(self.views.values()):
            view.changed()

    def close(self) -> None:
        """Closes idle sessions by QUIT; those in use end with their transactions."""
        self._forget_put_off()
        self.pool.close_idle()

    def retire(self) -> None:
        """Ends all waiting, as no domain names it any more; what is owed goes to the home server that is named now."""
        self.pool.refuse(Outcome(Verdict.FAILED, Stage.CONNECT, None, "the domain has another home server now"))
        self._forget_put_off()
        self.pool.retire()

    # For transactions

    def throttled(self, reason: str) -> None:
        self.pool.throttle()
        self.observe(Observation.THROTTLED, reason)

    def _is_limit(self, outcome: Outcome) -> bool:
        """Whether it means less of us rather than nobody: it took or refused a message a moment ago. Before MAIL it
        has to say so in words: 421 is also how a server says that it goes down."""
        if outcome.reply is None or self.timer.seconds() - self._served >= LATELY:
            return False
        said = may_be_limit if outcome.stage in _WITH_MAIL else says_limit
        return said(outcome.reply)

    def balked(self, result: Outcome) -> bool:
        """Returns whether it puts off more than one message; then it has a rest."""
        if not self._is_limit(result) or result.reply is None:
            return False
        of_server = result.reply.code == 421 or result.stage is Stage.MAIL
        if not of_server and not says_limit(result.reply):  # a filter that greylists one sender
            return False
        self.pool.balk()
        self.observe(Observation.THROTTLED, result.text)
        return True

    def put_off(self, message: tuple[str, ...], reason: str, *, redelivered: bool) -> None:
        """Counts each message once: one that home never takes is no evidence about the others. The first ones count
        when others had time to show that home takes messages."""
        if self.health.state is State.DOWN:
            self.observe(Observation.PUT_OFF, reason)
            return
        if redelivered or message in self._put_off or len(self._withheld) == health.PUT_OFFS:
            return
        now = self.timer.seconds()
        if not self._put_off:
            self._put_off_since = now
        self._put_off.add(message)
        wait = self._put_off_since + min(self.settings.probe_interval, OTHERS_SHOW) - now
        if wait <= 0:
            self.observe(Observation.PUT_OFF, reason)
            return
        self._withheld.append(reason)
        if self._showing is None:
            self._showing = self.timer.callLater(wait, self._nothing_shown)

    def _nothing_shown(self) -> None:
        self._showing = None
        withheld, self._withheld = self._withheld, []
        for reason in withheld:
            if self.health.state is not State.DOWN:
                self.observe(Observation.PUT_OFF, reason)

    def _forget_put_off(self) -> None:
        self._put_off.clear()
        self._withheld.clear()
        if self._showing is not None:
            self._showing.cancel()
            self._showing = None

    def answered(self, mailboxes: frozenset[str]) -> None:
        self._mailboxes.answered(mailboxes, self.timer.seconds())
        self.observe(Observation.SERVED)

    def slow(
        self, mailboxes: frozenset[str], began: float, asked: float, reason: str, *, answers: bool = False
    ) -> None:
        """Is told of a slow reply, which is no failure of the server unless nothing else is served meanwhile (design
        12)."""
        if self._mailboxes.silence_counts(mailboxes, began=began, asked=asked, now=self.timer.seconds()):
            self.observe(Observation.SLOW if answers else Observation.SILENT, reason)

    def sender_failed(self, session: Session, reverse_path: Address | None, result: Outcome) -> None:
        """Asks for another sender on the session, or concludes that home is in trouble.

        A sender that is put off is the sender's trouble; home is in trouble when it does not take the null sender
        either (contract, 'State of a home server'), or, where that was it, the postmaster of the domain.
        """
        if reverse_path is not None:
            # A refusal of the null sender is an answer.
            good = (Verdict.ACCEPTED, Verdict.REFUSED)
            self.background(self._try_sender(None, session, result, good, "the null sender"))
            return
        postmaster = self._postmaster()
        if postmaster is None or (result.reply is not None and result.reply.code == 421):
            self._senders_fail(session, result, result.text)
            return
        self.background(self._try_sender(postmaster, session, result, (Verdict.ACCEPTED,), postmaster.text))

    async def _try_sender(
        self, sender: Address | None, session: Session, failed: Outcome, good: Collection[Verdict], called: str
    ) -> None:
        session.rset()
        session.tainted = True
        answer = await session.reply(session.mail(sender, MailParameters()), self.settings.reply_timeout)
        if isinstance(answer, Reply) and outcome(Stage.MAIL, answer).verdict in good:
            await reset(self, session)
        else:
            self._senders_fail(session, failed, f"{failed.text}; also to {called}")

    def _senders_fail(self, session: Session, failed: Outcome, reason: str) -> None:
        session.abort()
        self.pool.drop(session)
        if not self.balked(failed):
            self.observe(Observation.UNREACHABLE, reason)

    # One mailbox that ends sessions

    def recipient_taken(self, address: Address) -> None:
        self._mailboxes.took(address)

    def recipient_failed(self, address: Address, result: Outcome) -> None:
        """Asks home for another recipient, since it may be that mailbox's fault alone."""
        if self._mailboxes.faulty(address.key, self.timer.seconds()) or self._examining:
            return
        self._examining = True
        self.background(self._examine(address, result))

    async def _examine(self, address: Address, result: Outcome) -> None:
        since = self.timer.seconds()
        try:
            if await self._probe_others(address) is not None or self._served > since:
                self._note_fault(address, result)
                return
        finally:
            self._examining = False
        if self.balked(result):
            return
        if result.reply is not None and self.pool.size:
            self.throttled(result.text)
        else:
            self.observe(Observation.SILENT, result.text)

    def _note_fault(self, address: Address, result: Outcome) -> None:
        _log.info(
            "home server of {domain} ends sessions that ask for <{recipient}>, and serves others: {reply}",
            domain=self.names,
            recipient=address.text,
            reply=result.text,
            often=True,
        )
        self._mailboxes.note_fault(address.key, self.timer.seconds())

    def ended(self, transaction: object) -> None:
        if self._trying is transaction:
            self._trying = None

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        Deferred.fromCoroutine(work).addErrback(self._failed)

    def _failed(self, failure: object) -> None:
        _log.error("home server of {domain}: {failure}", domain=self.names, failure=failure)
