"""What home has by IMAP for one address of a user never goes by SMTP for another of them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import msgspec
import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.model.events import TrackingEvent
from mpcontinuity.model.owed import DELIVERED
from mpcontinuity.model.reply import Verdict
from mpcontinuity.outbound.imap.opening import Fault, NoSession
from mpcontinuity.queue import owed
from mpcontinuity.queue.owed import IMAP, SMTP, NewOwed, Owed
from mpcontinuity.redelivery.attempt import Result
from mpcontinuity.redelivery.environment import Task
from mpcontinuity.redelivery.filing import Filing
from mpcontinuity.store.statement import Statement
from tests.fakes.stores import result
from tests.redelivery.conftest import World

GIVE_UP = 1 << 60
_REFUSED = NoSession(Fault.REFUSED, "home refuses the login")
_TRIED = Statement("UPDATE owed SET attempts = 5 WHERE id = :id")


class Sessions:
    """Of a home that lets nobody in any more."""

    asked = 0

    async def take(self, *_: object) -> NoSession:
        self.asked += 1
        return _REFUSED


class Desk:
    """A message to two addresses of anna, of which one was on its way by IMAP."""

    def __init__(self, world: World) -> None:
        self.books = world.books
        self.sessions: Any = Sessions()
        settings = msgspec.structs.replace(
            self.books.domain.settings, home_imap="imap://{user}:secret@imap.example?tls=off"
        )
        domain = replace(self.books.domain, settings=settings)
        environment: Any = world.redelivery._environment
        self.filing = Filing(Task(environment, domain, world.home), self.sessions)  # type: ignore[arg-type]
        self.filing._let_in = True
        self.first = self.books.redirect("anna")
        self.second = self.books.store.identifiers.next()
        new = NewOwed(
            self.second,
            domain.id,
            self.books.accounts["anna"],
            self.books.bodies[self.first],
            "anna+x@example.org",
            reverse_path="a@b.example",
            received=world.clock.now(),
        )
        self.books.run(owed.take_in, rows=[new])

    def claim(self, row: int) -> Owed:
        self.books.run(lambda tx: tx.run(_TRIED, id=row))
        (claimed,) = self.books.run(owed.claim, ids=[row], give_up=GIVE_UP)
        return claimed

    def first_went(self, way: str, *, heard: bool) -> None:
        """The final octet was sent that way; ``heard``: and home said that it has it."""
        claimed = self.claim(self.first)
        assert self.books.run(owed.in_flight, owed_id=claimed.id, token=claimed.token, way=way)
        event = TrackingEvent(0, "home", 250 if heard else 0, "")
        ended = partial(owed.finish, outcome=DELIVERED) if heard else partial(owed.doubt, next_attempt=0, waiting=False)
        assert self.books.run(ended, owed_id=claimed.id, token=claimed.token, event=event)

    def bring_second(self) -> Result | None:
        """None: it goes by SMTP."""
        return result(Deferred.fromCoroutine(self.filing.bring(self.claim(self.second), _never)))


async def _never() -> bool:
    raise AssertionError("nothing is brought")


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world)


@pytest.mark.parametrize("heard", [True, False])
def test_what_went_by_imap_for_one_address_does_not_go_by_smtp_for_the_other(desk: Desk, *, heard: bool) -> None:
    desk.first_went(IMAP, heard=heard)
    found = desk.bring_second()
    assert found is not None
    assert found.outcome.verdict is Verdict.REFUSED


@pytest.mark.parametrize("heard", [True, False])
def test_what_went_by_smtp_for_one_address_goes_by_smtp_for_the_other(desk: Desk, *, heard: bool) -> None:
    desk.first_went(SMTP, heard=heard)
    assert desk.bring_second() is None
