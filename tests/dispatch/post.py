"""A store with a domain, what it sends to the world, and hosts of the world that answer by script."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred

from mpcontinuity.accounts import domains, users
from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.signing import Signer
from mpcontinuity.dispatch.lane import LaneEnvironment
from mpcontinuity.dispatch.service import Dispatch
from mpcontinuity.model import address
from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import DAY
from mpcontinuity.model.events import QUEUED
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.settings import DomainSettings, Outbound, Retry
from mpcontinuity.outbound.resolution import Exchange, Exchanges, Unresolved
from mpcontinuity.outbound.world import World
from mpcontinuity.queue import outgoing
from mpcontinuity.queue.outgoing import NewOutgoing
from mpcontinuity.queue.owed import Parameters
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking import record
from tests.fakes.clock import ManualClock, SeededRandomness
from tests.fakes.stores import result
from tests.outbound.wire import SILENT, Network, ScriptedHome

_ROW = Statement(
    "SELECT state, attempts, next_attempt, token, last_code, last_text, unreported FROM outgoing WHERE id = :id"
)
_TRACKED = Statement("SELECT status, events FROM tracking WHERE id = :id")

SETTINGS = Outbound(connect_timeout=30, reply_timeout=60, message_timeout=60, connections=4)


class Dns:
    """``zone``: what is found for a domain, else a host at 192.0.2.1."""

    def __init__(self) -> None:
        self.zone: dict[str, Exchanges | Unresolved | Deferred[Any]] = {}
        self.forgotten: list[str] = []

    async def exchanges(self, domain: str) -> Exchanges | Unresolved:
        found = self.zone.get(domain, Exchanges((Exchange(f"mx.{domain}", ("192.0.2.1",)),)))
        return await found if isinstance(found, Deferred) else found

    def forget(self, domain: str) -> None:
        self.forgotten.append(domain)

    def forget_all(self) -> None:
        self.forgotten.append("all")


class Post:
    """Every call has committed when it returns. ``host`` is the one that all mail goes to unless DNS says otherwise."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store = store
        self.clock = clock
        self.network = Network()
        self.network.clock = clock
        self.dns = Dns()
        self.host = self.network.homes["192.0.2.1:25"] = ScriptedHome()
        self.domain = result(
            store.run(partial(domains.add, name="example.org", settings=DomainSettings(home=("127.0.0.1:25",))))
        )
        self.dispatches: list[Dispatch] = []

    def at(self, place: str) -> ScriptedHome:
        """A host at ``address:port``."""
        return self.network.homes.setdefault(place, ScriptedHome())

    def set(self, **settings: Any) -> None:
        """Of the domain."""
        known = DomainSettings(home=("127.0.0.1:25",), **settings)
        result(self.store.run(partial(domains.change, domain=self.domain, settings=known)))

    def dispatch(self, *, route: str = "mx", internal: Any = None, retry: Retry | None = None) -> Dispatch:
        """Started."""
        retry = retry or Retry()
        dns: Any = self.dns
        world = World(
            SETTINGS,
            retry,
            dns,
            hostname="us.example",
            timer=self.clock,
            connect=self.network.connect,
            secure=self.network._secure,
        )
        environment = LaneEnvironment(
            self.store,
            Directory(self.store),
            world,
            internal,
            self.clock,
            SeededRandomness(),
            retry,
            route,
            Signer(self.store, "mx.example.org"),
        )
        made = Dispatch(environment)
        self.dispatches.append(made)
        result(made.start())
        self.settle()
        return made

    def send(
        self,
        *recipients: str,
        sender: str = "anna@example.org",
        text: str = "Hello",
        subject: str = "x",
        notify: str = "",
        mail: MailParameters = MailParameters(),  # noqa: B008
        expires: int = 5 * DAY,
        kind: str = "outbound",
        account: int | None = None,
    ) -> list[int]:
        """One message. The ids of its rows."""
        draft = self.store.bodies.draft()
        draft.write(f"Return-Path: <{sender}>\r\nSubject: {subject}\r\n\r\n{text}\r\n".encode())
        ids = [self.store.identifiers.next() for _ in recipients]
        parameters = Parameters(mail, RcptParameters(notify=notify))

        def work(tx: Transaction, body: Body) -> None:
            rows = [
                NewOutgoing(
                    id=each,
                    domain=self.domain.id,
                    account=account,
                    body=body.id,
                    recipient=recipient,
                    destination=address.parse(recipient).domain,
                    reverse_path=sender,
                    received=tx.now,
                    expires=tx.now + expires,
                    kind=kind,
                    parameters=parameters,
                )
                for each, recipient in zip(ids, recipients, strict=True)
            ]
            outgoing.take_in(tx, rows)
            tracked = [record.NewRow(self.domain.id, tx.now, "outbound", QUEUED, owed=each) for each in ids]
            record.record_all(tx, tracked)

        head = Head(
            id=self.store.identifiers.next(), time=self.clock.now(), direction="outbound", prefix=len(sender) + 17
        )
        result(self.store.keep(draft, head, work))
        self.settle()
        return ids

    def user(self, name: str) -> int:
        """Their id."""
        work = partial(users.add_user, domain=self.domain.id, address=address.parse(f"{name}@example.org"))
        return int(result(self.store.run(work)).id)

    def silent(self, count: int, **behaviour: Any) -> tuple[ScriptedHome, list[str]]:
        """Addresses of so many domains, all with one host, which does not greet if nothing else is said of it."""
        place = f"192.0.2.{66 + len(self.network.homes)}"
        host = self.network.homes[f"{place}:25"] = ScriptedHome(**(behaviour or {"greeting": SILENT}))
        names = [f"slow{number}-{place}.example" for number in range(count)]
        self.dns.zone.update((name, Exchanges((Exchange(f"mx.{name}", (place,)),))) for name in names)
        return host, [f"bob@{name}" for name in names]

    def settle(self, seconds: float = 0.0, step: float = 1.0) -> None:
        """Lets everything happen that takes no time, then again each second."""
        while True:
            for _ in range(60):
                self.clock.advance(0)
            if seconds <= 0:
                return
            self.clock.advance(min(step, seconds))
            seconds -= step

    def row(self, outgoing_id: int) -> dict[str, Any] | None:
        """None: it is gone."""
        columns = result(self.store.read(lambda tx: tx.one(_ROW, id=outgoing_id)))
        names = ("state", "attempts", "next_attempt", "token", "code", "text", "unreported")
        return None if columns is None else dict(zip(names, columns, strict=True))

    def states(self, ids: Sequence[int]) -> list[str]:
        """``gone`` where there is no row any more."""
        return [(self.row(each) or {"state": "gone"})["state"] for each in ids]

    def tracked(self, outgoing_id: int) -> tuple[str, list[tuple[str, int, str]]]:
        """Status, and the events' host, code and text."""
        found = result(self.store.read(lambda tx: tx.one(_TRACKED, id=outgoing_id)))
        assert found is not None
        return found[0], [(host, code, text) for _, host, code, text in json.loads(found[1])]
