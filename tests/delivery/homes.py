"""A home server at the interface of `outbound.home`: it answers what the test says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from twisted.internet.defer import Deferred, succeed

from mpcontinuity.accounts.domains import Domain
from mpcontinuity.model.address import Address
from mpcontinuity.model.body import Content
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.reply import Outcome, Reply, Stage, Verdict
from mpcontinuity.protocols.smtp.client import Offers
from mpcontinuity.routing.health import Gate, Health

HOST = "home.example:25"


def accepted(stage: Stage, text: str = "2.0.0 fine") -> Outcome:
    enhanced, _, words = text.partition(" ")
    return Outcome(Verdict.ACCEPTED, stage, Reply(250, enhanced, words))


def refused(stage: Stage, code: int = 550, enhanced: str = "5.1.1") -> Outcome:
    return Outcome(Verdict.REFUSED, stage, Reply(code, enhanced, "no"))


def temporary(stage: Stage, code: int = 451, enhanced: str = "4.3.0") -> Outcome:
    return Outcome(Verdict.TEMPORARY, stage, Reply(code, enhanced, "not now"))


def failed(stage: Stage = Stage.CONNECT, reason: str = "connection refused") -> Outcome:
    return Outcome(Verdict.FAILED, stage, None, reason)


DOUBTFUL = Outcome(Verdict.DOUBTFUL, Stage.MESSAGE, None, "no reply within 10 s")


@dataclass
class FakeTransaction:
    home: FakeHome
    reverse_path: Address | None
    parameters: MailParameters
    host: str = HOST
    dsn: bool = False
    late: Deferred[Outcome] | None = None
    recipients: list[str] = field(default_factory=list)
    abandoned: bool = False
    bare: bool = False

    async def recipient(self, address: Address, parameters: RcptParameters) -> Outcome:
        answer = self.home.recipients.get(address.text, self.home.unknown)
        if isinstance(answer, Deferred):
            answer = await answer
        if answer.verdict is Verdict.ACCEPTED:
            self.recipients.append(address.text)
        return answer

    async def message(self, head: bytes, content: Content) -> Outcome:
        whole = content.whole if content.whole is not None else await content.read(0, content.length)
        self.home.before_dot()
        self.home.received.append((head, whole, list(self.recipients)))
        self.late = self.home.late
        return await self.home.message()

    def abandon(self) -> None:
        self.abandoned = True


class FakeHome:
    """``recipients``: answers by address, else accepted. ``answer``: to the message; a Deferred is waited for."""

    def __init__(self) -> None:
        self.hosts = [HOST]
        self.addresses: list[str] = []  # where it was reached
        self.health = Health()
        self.offers = Offers(smtputf8=True)
        self.decision = Gate.OPEN
        self.needy, self.surplus = 0, {"": 0}
        self.wanted = False
        self.recipients: dict[str, Outcome | Deferred[Outcome]] = {}
        self.unknown = accepted(Stage.RCPT)  # to whoever is not among them
        self.answer: Outcome | Deferred[Outcome] = accepted(Stage.MESSAGE)
        self.late: Deferred[Outcome] | None = None
        self.transactions: list[FakeTransaction] = []
        self.received: list[tuple[bytes, bytes, list[str]]] = []
        self.before_dot: Callable[[], None] = lambda: None

    def gate(self) -> Gate:
        return self.decision

    def claims(self) -> tuple[int, dict[str, int]]:
        return self.needy, dict(self.surplus)

    def transaction(
        self, reverse_path: Address | None, parameters: MailParameters, *, client: str = ""
    ) -> FakeTransaction:
        self.transactions.append(FakeTransaction(self, reverse_path, parameters, dsn=self.offers.dsn))
        return self.transactions[-1]

    def message(self) -> Deferred[Outcome]:
        return self.answer if isinstance(self.answer, Deferred) else succeed(self.answer)


class FakeHomes:
    def __init__(self) -> None:
        self.homes: dict[str, FakeHome] = {}

    def of(self, domain: Domain) -> FakeHome:
        return self.homes.setdefault(domain.name, FakeHome())
