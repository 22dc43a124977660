"""A home server at the interface of outbound/home.py, which answers as the test says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import Deferred

from mpcontinuity.model.address import Address
from mpcontinuity.model.body import Content
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.reply import Outcome, Reply, Stage, Verdict
from mpcontinuity.protocols.smtp.client import Offers
from mpcontinuity.routing import health
from mpcontinuity.routing.health import Gate, Health, Observation
from tests.fakes.clock import ManualClock

OK = Outcome(Verdict.ACCEPTED, Stage.MESSAGE, Reply(250, "2.0.0", "taken"))
UNKNOWN = Outcome(Verdict.REFUSED, Stage.RCPT, Reply(550, "5.1.1", "unknown user"))
SPAM = Outcome(Verdict.REFUSED, Stage.MESSAGE, Reply(554, "5.6.0", "I do not like it"))
RELAYING = Outcome(Verdict.REFUSED, Stage.RCPT, Reply(550, "5.7.1", "relaying denied"))
NOT_CLEAR = Outcome(Verdict.REFUSED, Stage.MESSAGE, Reply(554, "5.7.1", "rejected"))
CLOSED = Outcome(Verdict.TEMPORARY, Stage.RCPT, Reply(421, "4.3.0", "what a mailbox"))
FULL = Outcome(Verdict.TEMPORARY, Stage.RCPT, Reply(452, "4.2.2", "mailbox full"))
BUSY = Outcome(Verdict.TEMPORARY, Stage.MESSAGE, Reply(451, "4.3.2", "busy"))
LOST = Outcome(Verdict.FAILED, Stage.DATA, None, "connection lost")
NO_REPLY = Outcome(Verdict.DOUBTFUL, Stage.MESSAGE, None, "no reply in 10 s")

_RECOVERY_PROBES = 2

Answer = Outcome | Deferred[Outcome]


class Delivery:
    """What one transaction was about."""

    def __init__(self, reverse_path: Address | None, parameters: MailParameters) -> None:
        self.reverse_path = reverse_path
        self.parameters = parameters
        self.recipient = ""
        self.head = b""
        self.content = b""

    @property
    def id(self) -> bytes:
        return self.head.partition(b"\r\n")[0].removeprefix(b"X-MPContinuity-Id: ")


class FakeTransaction:
    def __init__(self, home: FakeHome, delivery: Delivery) -> None:
        self.host = "home:25"
        self.before_final_dot: Callable[[], Awaitable[bool]] | None = None
        self.late: Deferred[Outcome] | None = None
        self.dsn = False
        self._home = home
        self._delivery = delivery

    async def recipient(self, address: Address, parameters: RcptParameters) -> Outcome:
        self._delivery.recipient = str(address)
        self._home.open += 1
        self._home.most_open = max(self._home.most_open, self._home.open)
        self._answer = self._home.answer(self._delivery)
        if isinstance(self._answer, Outcome) and self._answer.stage is Stage.RCPT:
            self._end()
            return self._answer
        return Outcome(Verdict.ACCEPTED, Stage.RCPT, Reply(250, "2.1.5", "go on"))

    async def message(self, head: bytes, content: Content) -> Outcome:
        self._delivery.head = head
        self._delivery.content = await content.read(0, content.length)
        assert self.before_final_dot is not None
        if not await self.before_final_dot():
            self._end()
            return Outcome(Verdict.FAILED, Stage.DATA, None, "not sent")
        answer = self._answer
        outcome = await answer if isinstance(answer, Deferred) else answer
        if outcome.verdict is Verdict.ACCEPTED:
            self._home.taken.append(self._delivery)
            self._home.observe(Observation.SERVED)
        if outcome.verdict is Verdict.DOUBTFUL:
            self.late = self._home.late.get(self._delivery.recipient)
        self._home.replied.append(self._delivery)
        self._end()
        return outcome

    def _end(self) -> None:
        self._home.open -= 1

    def abandon(self) -> None:
        pass


class FakeHome:
    """``answers`` per recipient (or '' for all): an outcome, a Deferred, or a list of them that is used up."""

    def __init__(self, clock: ManualClock, domain: int) -> None:
        self.domain = domain
        self.name = "example.org"
        self.observed: list[Any] = []
        self.health = Health(since=clock.now())
        self.offers = Offers()
        self.listeners: list[Callable[[Any], None]] = []
        self.leads = True
        self.known_users: Any = None
        self.domains = [domain]
        self.server: Any = self  # nobody shares it
        self.answers: dict[str, Any] = {}
        self.late: dict[str, Deferred[Outcome]] = {}
        self.taken: list[Delivery] = []
        self.replied: list[Delivery] = []
        self.tried: list[str] = []
        self.open = self.most_open = 0
        self.probes: list[Address | None] = []
        self.probe_answer: Answer = OK
        self.probe_answers: dict[str, Outcome] = {}  # instead, for these
        self._clock = clock

    def begin(self, known: Health, offers: Offers | None) -> None:
        self.health = known
        self.offers = offers or self.offers

    def gate(self) -> Gate:
        way = health.gate(self.health, self._clock.now())
        return Gate.SHUT if way is Gate.TRY and self.open else way

    def transaction(self, reverse_path: Address | None, parameters: MailParameters) -> FakeTransaction:
        return FakeTransaction(self, Delivery(reverse_path, parameters))

    def answer(self, delivery: Delivery) -> Answer:
        self.tried.append(delivery.recipient)
        answer = self.answers.get(delivery.recipient, self.answers.get("", OK))
        if callable(answer):
            answer = answer(delivery)
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        assert isinstance(answer, Outcome | Deferred)
        return answer

    async def probe(self, recipient: Address | None) -> Outcome:
        self.probes.append(recipient)
        if str(recipient) in self.probe_answers:
            return self.probe_answers[str(recipient)]
        return await self.probe_answer if isinstance(self.probe_answer, Deferred) else self.probe_answer

    def observe(self, observation: Observation, reason: str = "") -> None:
        self.health = health.observe(self.health, observation, self._clock.now(), _RECOVERY_PROBES, reason)
        for listener in list(self.listeners):
            listener(self)

    def adopt(self, known: Health) -> None:
        self.health = known
        for listener in list(self.listeners):
            listener(self)

    def goes_down(self) -> None:
        self.observe(Observation.UNREACHABLE, "connection refused")

    def comes_back(self) -> None:
        for _ in range(health.probes_needed(self.health, _RECOVERY_PROBES)):
            self.observe(Observation.PROBE_GOOD)


class FakeHomes:
    """HomeServers of one domain."""

    def __init__(self, home: FakeHome) -> None:
        self.home = home

    def of(self, domain: object) -> Any:
        return self.home

    def keep_only(self, domains: object) -> None:
        pass
