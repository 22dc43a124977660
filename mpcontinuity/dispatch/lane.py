"""What is due for one destination and share: claimed in portions, and sent by several at once."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.logger import Logger

from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.accounts.signing import Signer
from mpcontinuity.dispatch.letters import Settled, by_transaction, letter, settle
from mpcontinuity.dispatch.shares import PROMPT, Shares
from mpcontinuity.dispatch.watch import Attempts, Watch
from mpcontinuity.model.clock import LASTED, SECOND
from mpcontinuity.model.errors import Corrupt, Stopping, Temporary
from mpcontinuity.model.identifier import show
from mpcontinuity.model.outgoing import ALERT
from mpcontinuity.model.randomness import Randomness
from mpcontinuity.model.reply import Outcome, Stage, Verdict
from mpcontinuity.model.settings import DomainSettings, Retry
from mpcontinuity.model.timer import Timer
from mpcontinuity.outbound import route
from mpcontinuity.outbound.world import Attempt, Progress, World
from mpcontinuity.queue import outgoing
from mpcontinuity.queue.outgoing import Due, Outgoing
from mpcontinuity.queue.schedule import delay
from mpcontinuity.store.store import Store

PORTION = 100  # rows of one claim
# At once: what is claimed together comes back in one turn of the reactor, and all of it is begun there.
CLAIMS = 20
_FIRST_WIDTH = 2  # transactions at once, one more for each that goes well
_STORE_AGAIN = 5.0  # seconds, after a failure of the store
_SLOW = f"no answer within {PROMPT:g} s, and many others are waited for already"

_log = Logger()


class Internal(Protocol):
    """What delivers mail of our users to a domain of ours (delivery/internal.py)."""

    def deliver(self, domain: Domain, rows: Sequence[Outgoing]) -> Coroutine[Any, Any, Sequence[Attempt | None]]:
        """Delivers the rows of one message. Returns what became of each; None: its row has been ended already."""
        ...


@dataclass(frozen=True, slots=True)
class LaneEnvironment:
    """What all lanes of a process share. The counter is a metric."""

    store: Store
    directory: Directory
    world: World
    internal: Internal | None  # None: what goes to our own domains waits
    timer: Timer
    randomness: Randomness
    retry: Retry
    route: str  # `[outbound] route`
    signer: Signer
    outcomes: Counter[Verdict] = field(default_factory=Counter)  # of all attempts, by recipient
    shares: Shares = field(default_factory=Shares)
    claiming: DeferredSemaphore = field(default_factory=partial(DeferredSemaphore, CLAIMS))


class Lane:
    """Sends what is due for one destination and share. It lives in the reactor thread.

    It ends when nothing is due any more, and then calls ``ended``; it calls ``freed`` when another lane may begin,
    because all its messages are parked.
    """

    def __init__(
        self, environment: LaneEnvironment, due: Due, *, ended: Callable[[Lane], None], freed: Callable[[], None]
    ) -> None:
        self.due = due
        self.claimed: dict[int, int] = {}  # ids and tokens of rows that are ours
        self._environment = environment
        self._ended = ended
        self._freed = freed
        self._holds = False  # one of the lanes at work
        self._watched: set[Watch] = set()
        self._waiting: deque[list[Outgoing]] = deque()
        self._active = 0
        self._width = float(_FIRST_WIDTH)
        self._more = True  # something may be due
        self._stopping = False
        self._something: Deferred[None] | None = None

    def begin(self) -> None:
        """Begins to claim and to send."""
        self._hold()
        Deferred.fromCoroutine(self._run()).addErrback(self._broken)

    @property
    def busy(self) -> bool:
        """Whether it knows already that more is due than it can send now."""
        return self._more or bool(self._waiting)

    def wake(self) -> None:
        """Tells it that something new may be due."""
        self._more = True
        self._happened()

    def stop(self) -> None:
        """Begins no more transactions; ``ended`` is called when those under way have ended."""
        self._stopping = True
        self._happened()

    async def _run(self) -> None:
        while not self._stopping:
            if self._more and len(self._waiting) < self._width:
                await self._claim()
            while self._waiting and self._active < int(self._width) and not self._stopping:
                self._begin(self._waiting.popleft())
            if not self._waiting and not self._active and not self._more:
                break
            if not self._more or len(self._waiting) >= self._width:
                await self._next()
        while self._waiting:
            await self._give_back(self._waiting.popleft())
        while self._active:
            await self._next()
        if self._holds:
            self._environment.shares.give_back(self.due.share)
        self._ended(self)

    async def _claim(self) -> None:
        self._more = False
        try:
            claim = partial(outgoing.claim, due=self.due, most=PORTION)
            rows = await self._environment.claiming.run(self._environment.store.run, claim)
        except Stopping:
            self._stopping = True
            return
        except Temporary as error:
            _log.warn("mail to {destination} waits: {error}", destination=self.due.destination, error=error, often=True)
            self._environment.timer.callLater(_STORE_AGAIN, self.wake)
            if not self._active:
                await self._pause()
            return
        self._more = len(rows) == PORTION
        self.claimed.update((row.id, row.token) for row in rows)
        self._waiting.extend(by_transaction(rows))

    # One message

    def _begin(self, rows: list[Outgoing]) -> None:
        self._active += 1
        self._hold()
        sent = Deferred.fromCoroutine(self._send(rows))
        sent.addErrback(self._broken)
        sent.addCallback(self._sent, rows)

    def _sent(self, _: None, rows: list[Outgoing]) -> None:
        for row in rows:
            self.claimed.pop(row.id, None)
        self._active -= 1
        self._hold()
        self._happened()

    def _hold(self) -> None:
        """A lane is held while anything is under way that is not parked, and while the next is looked for."""
        parked = sum(watch.parked for watch in self._watched)
        holds = not parked or self._active > parked
        if holds is self._holds:
            return
        self._holds = holds
        if holds:
            self._environment.shares.take(self.due.share)
        else:
            self._environment.shares.give_back(self.due.share)
            self._freed()

    async def _send(self, rows: list[Outgoing]) -> None:
        try:
            attempts = await self._attempt(rows)
        except Corrupt as error:
            _log.error("not sent: {reason}", reason=str(error), message=show(rows[0].body.id))
            await self._record(rows, _not_sent(str(error), rows), int(self._environment.retry.longest * SECOND))
            return
        except Exception:
            _log.failure("sending failed inside the server", message=show(rows[0].body.id))
            attempts = _not_sent("an internal error", rows)
        self._say(rows, attempts)
        self._pace(attempts)
        wait = delay(rows[0].attempts + 1, self._environment.retry, self._environment.randomness)
        await self._record(rows, attempts, wait)
        untried = [row for row, attempt in zip(rows, attempts, strict=True) if attempt is None]
        if self._stopping and untried:
            await self._give_back(untried)

    async def _attempt(self, rows: list[Outgoing]) -> Sequence[Attempt | None]:
        environment = self._environment
        destination = self.due.destination
        domain = await environment.directory.domain(destination)
        if domain is not None:
            if environment.internal is None:
                waits = Outcome(Verdict.TEMPORARY, Stage.CONNECT, None, "waits for delivery to a domain of ours")
                return [Attempt(waits)] * len(rows)
            progress = Progress(environment.timer.seconds(), may_be_given_up=False)
            return await self._watch(environment.internal.deliver(domain, rows), progress, rows)
        way = await self._route(rows[0])
        sent = await letter(environment.store.bodies, rows, environment.signer)
        progress = Progress(environment.timer.seconds())
        return await self._watch(environment.world.deliver(sent, way, destination, progress), progress, rows)

    async def _watch(
        self, delivery: Coroutine[Any, Any, Attempts], progress: Progress, rows: list[Outgoing]
    ) -> Attempts:
        environment = self._environment
        watch = Watch(
            Deferred.fromCoroutine(delivery),
            progress,
            environment.shares,
            self.due.share,
            environment.timer,
            self._hold,
        )
        self._watched.add(watch)
        try:
            attempts = await watch.result
        finally:
            self._watched.discard(watch)
        return _not_sent(_SLOW, rows) if attempts is None else attempts

    async def _route(self, row: Outgoing) -> route.Route:
        """Of the domain whose mail it is."""
        environment = self._environment
        domains = await environment.directory.domains()
        settings = next((one.settings for one in domains if one.id == row.domain), DomainSettings())
        if row.kind == ALERT:
            return route.past_home(settings, environment.route, row.attempts)
        return route.parse(settings.outbound_route or environment.route)

    def _pace(self, attempts: Sequence[Attempt | None]) -> None:
        verdicts = {attempt.outcome.verdict for attempt in attempts if attempt is not None}
        if verdicts & {Verdict.FAILED, Verdict.DOUBTFUL}:
            self._width = max(1.0, self._width / 2)
        elif Verdict.ACCEPTED in verdicts:
            self._width = min(self._width + 1, 2.0 * self._environment.world.connections)

    def _say(self, rows: Sequence[Outgoing], attempts: Sequence[Attempt | None]) -> None:
        """``message`` is the id that the message has had since it came in."""
        for row, attempt in zip(rows, attempts, strict=True):
            if attempt is None:
                continue
            self._environment.outcomes[attempt.outcome.verdict] += 1
            _log.info(
                "{kind} {number} from <{sender}> to <{recipient}> at {host}: {verdict}: {reply}",
                message=show(row.body.id),
                outgoing=show(row.id),
                kind=row.kind,
                number=row.attempts + 1,
                sender=row.reverse_path,
                recipient=row.recipient,
                host=attempt.host or "no host",
                verdict=attempt.outcome.verdict.value,
                reply=attempt.outcome.text,
            )

    # The table

    async def _record(self, rows: Sequence[Outgoing], attempts: Sequence[Attempt | None], wait: int) -> None:
        """What the next host answered must not be forgotten because the store fails just now: it is tried until it is
        written, or we stop; then what was sent is sent again."""
        while any(attempts):
            try:
                store = self._environment.store
                await store.run_grouped(settle, Settled(rows, attempts, wait, expires=store.trusts_time(LASTED)))
                return
            except Stopping:
                return
            except Temporary as error:
                _log.error("{reason}: outcomes wait to be recorded", reason=str(error), often=True)
                if self._stopping:
                    return
            await self._pause()

    async def _give_back(self, rows: list[Outgoing]) -> None:
        ids = [row.id for row in rows]
        for each in ids:
            self.claimed.pop(each, None)
        with suppress(Stopping, Temporary):  # then their lease ends
            await self._environment.store.run(partial(outgoing.give_back, ids=ids, token=rows[0].token))

    # Waiting

    async def _pause(self) -> None:
        again: Deferred[None] = Deferred()
        self._environment.timer.callLater(_STORE_AGAIN, again.callback, None)
        await again

    async def _next(self) -> None:
        """Until something has happened."""
        self._something = Deferred()
        await self._something

    def _happened(self) -> None:
        something, self._something = self._something, None
        if something is not None:
            something.callback(None)

    def _broken(self, failure: Any) -> None:
        _log.failure("mail to {destination}", failure, destination=self.due.destination)


def _not_sent(why: str, rows: Sequence[Outgoing]) -> list[Attempt]:
    return [Attempt(Outcome(Verdict.FAILED, Stage.CONNECT, None, f"Not sent: {why}"))] * len(rows)
