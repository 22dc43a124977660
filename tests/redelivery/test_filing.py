"""What home has by IMAP for one address of a user never goes by SMTP for another of them, and is looked for there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec
import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.mailbox import mailboxes
from mpcontinuity.model.events import TrackingEvent
from mpcontinuity.model.identifier import show
from mpcontinuity.model.owed import DELIVERED
from mpcontinuity.model.reply import Verdict
from mpcontinuity.outbound.imap.mailboxes import Appended
from mpcontinuity.outbound.imap.opening import Fault, NoSession
from mpcontinuity.protocols.imap.answer import Fetched, Listed, Namespace, Status
from mpcontinuity.queue import merging, owed
from mpcontinuity.queue.owed import IMAP, SMTP, NewOwed, Owed
from mpcontinuity.redelivery.attempt import Result
from mpcontinuity.redelivery.environment import Task
from mpcontinuity.redelivery.filing import Filing, Leave
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
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


class Mailboxes:
    """Of a user at home, in a session. ``has``: the header of a message in INBOX, or nothing."""

    host = "imap.example:143"
    namespace = Namespace(b"", "")
    listed: tuple[Listed, ...] = (Listed(frozenset(), "/", b"INBOX", "INBOX"),)

    def __init__(self, has: bytes) -> None:
        self.appended: list[bytes] = []  # where
        self._has = has

    async def take(self, *_: object) -> Mailboxes:
        return self

    def put(self, *_: object) -> None:
        pass

    async def load(self) -> tuple[Listed, ...]:
        return self.listed

    async def open(self, mailbox: bytes, *, writable: bool = False) -> Status:
        return Status("OK")

    async def search(self, *_: object) -> tuple[int, ...]:
        return (1,) if self._has else ()

    async def beginnings(self, uids: object) -> list[Fetched]:
        return [Fetched(1, len(self._has), self._has, b"")]

    async def file(self, *_: object) -> None:
        pass

    def kept(self, flags: Sequence[str]) -> tuple[str, ...]:
        return tuple(flags)

    async def append(self, mailbox: bytes, message: object, may_finish: Callable[[], Awaitable[bool]]) -> Appended:
        assert await may_finish()
        self.appended.append(mailbox)
        return Appended(Status("OK"))


class Desk:
    """A message to two addresses of anna, of which one was on its way by IMAP. That one may have been bert's then."""

    def __init__(self, world: World, first: str = "anna") -> None:
        self.books = world.books
        self.sessions: Any = Sessions()
        settings = msgspec.structs.replace(
            self.books.domain.settings, home_imap="imap://{user}:secret@imap.example?tls=off"
        )
        domain = replace(self.books.domain, settings=settings)
        environment: Any = world.redelivery._environment
        self.filing = Filing(Task(environment, domain, world.home), self.sessions)  # type: ignore[arg-type]
        self.filing._let_in = True
        self.first = self.books.redirect(first)
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

    def bring_second(self, may_finish: Leave | None = None) -> Result | None:
        """None: it goes by SMTP."""
        return result(Deferred.fromCoroutine(self.filing.bring(self.claim(self.second), may_finish or _never)))

    def merge(self) -> None:
        """Bert becomes one with anna."""
        bert, anna = (self.books.accounts[name] for name in ("bert", "anna"))

        def work(tx: Transaction) -> None:
            inboxes = [mailboxes.inbox(tx, account) for account in (bert, anna)]
            assert merging.hand_over_mail(tx, inboxes[0], bert, anna, inboxes[1]) == 1

        self.books.run(work)


async def _never() -> bool:
    raise AssertionError("nothing is brought")


async def _always() -> bool:
    return True


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


@pytest.mark.parametrize("there", [False, True])
def test_what_went_by_imap_before_users_were_merged_is_looked_for_and_not_believed(
    world: World, *, there: bool
) -> None:
    """It went into bert's mailbox: whether anna's has it is for home to say."""
    desk = Desk(world, first="bert")
    desk.first_went(IMAP, heard=True)
    desk.merge()
    has = f"X-MPContinuity-Id: {show(desk.first)}\r\nSubject: x\r\n\r\n".encode()
    desk.filing.sessions = at_home = Mailboxes(has if there else b"")  # type: ignore[assignment]
    found = desk.bring_second(_always)
    assert found is not None
    assert found.outcome.verdict is Verdict.ACCEPTED
    assert at_home.appended == ([] if there else [b"INBOX"])
