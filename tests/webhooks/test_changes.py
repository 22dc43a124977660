"""Webhooks hear of every change of a domain's state, once, in order, and signed."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.accounts import containment, domains, home_history, home_state
from mpcontinuity.model.clock import HOUR, SECOND
from mpcontinuity.outbound.https import Answer, Unanswered
from mpcontinuity.queue import listing
from mpcontinuity.routing.health import State
from mpcontinuity.store.store import Store
from mpcontinuity.webhooks import changes, hooks, sending
from mpcontinuity.webhooks.service import Webhooks
from tests.fakes.stores import result
from tests.queue.ledgers import Books

URL = "https://chat.example/services/secret-path"


class Ear:
    """An HTTPS client that has one server, which answers as it is told."""

    def __init__(self) -> None:
        self.answers: list[Answer | Unanswered | Deferred[Answer]] = []  # used up; then 204
        self.asked: list[tuple[str, Mapping[str, str], bytes]] = []

    async def ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        within: float = 0.0,
        most: int = 0,
        private: bool = False,
        authorities: str = "",
    ) -> Answer:
        assert (method, within, most, private) == ("POST", sending.WITHIN, sending.MOST_ANSWERED, False)
        self.asked.append((url, headers or {}, body))
        answer: Any = self.answers.pop(0) if self.answers else Answer(204, {}, b"")
        if isinstance(answer, Unanswered):
            raise answer
        found: Answer = await answer if isinstance(answer, Deferred) else answer
        return found

    def heard(self, url: str = URL) -> list[dict[str, Any]]:
        return [msgspec.json.decode(body) for to, _, body in self.asked if to == url]


class World:
    def __init__(self, books: Books) -> None:
        self.books = books
        self.ear = Ear()
        self.webhooks = Webhooks(books.store, self.ear)
        self.hook = self.add(URL)

    def add(self, url: str) -> int:
        def work(tx: Any) -> int:
            id_ = hooks.add(tx, self.books.domain.id, url, "the secret", "")
            changes.begin(tx, self.books.domain)
            return id_

        return self.books.run(work)

    def wait(self, seconds: float = 10.0) -> None:
        until = self.books.clock.seconds() + seconds
        while self.books.clock.seconds() < until:
            self.books.clock.advance(1)
            result(Deferred.fromCoroutine(self.webhooks.round()))

    def events(self) -> list[str]:
        return [each["event"] for each in self.ear.heard()]

    def row(self) -> hooks.Hook:
        return next(row for row in self.books.read(hooks.listing, domain=0, after=0, limit=9) if row.id == self.hook)


@pytest.fixture
def world(books: Books) -> World:
    return World(books)


def test_it_hears_of_an_outage_from_its_beginning_to_the_last_message_that_has_gone_home(world: World) -> None:
    world.wait()
    assert world.events() == []
    world.books.home_becomes(State.DOWN, "no connection: refused")
    row = world.books.redirect("anna")
    world.wait()
    told = world.ear.heard()[0]
    assert (told["event"], told["domain"], told["state"], told["reason"], told["missed"]) == (
        *("down", "example.org", "down", "no connection: refused"),
        0,
    )
    world.books.home_becomes(State.RECOVERING)
    world.books.run(home_state.pause, domain=world.books.domain.id, reason="550 5.1.1 user unknown")
    world.wait()
    world.books.run(home_state.pause, domain=world.books.domain.id, reason="")
    world.books.home_becomes(State.UP)
    world.wait()
    assert world.events() == ["down", "recovering", "paused", "up", "resumed"]
    assert world.ear.heard()[2]["reason"] == "550 5.1.1 user unknown"
    world.books.run(listing.remove, ids=[row], by="root")
    world.wait()
    assert world.events()[5:] == ["recovered"]
    world.wait()
    assert len(world.events()) == 6


def test_changes_between_two_looks_and_while_no_process_runs_are_all_told(world: World) -> None:
    for state in (State.DOWN, State.RECOVERING, State.UP, State.DOWN):
        world.books.home_becomes(state)
        world.books.clock.advance(0.1)
    world.webhooks = Webhooks(world.books.store, world.ear)  # another process
    world.wait(30)
    assert world.events() == ["down", "recovering", "up", "down"]


def test_a_home_that_flaps_all_day_leaves_no_hook_with_a_wrong_state(world: World) -> None:
    for _ in range(home_history.MOST_A_DAY):
        for state in (State.DOWN, State.UP):
            world.books.home_becomes(state)
            world.books.clock.advance(1)
        result(Deferred.fromCoroutine(world.webhooks.round()))
    world.books.home_becomes(State.DOWN, "for good")
    world.wait(60)
    last = world.ear.heard()[-1]
    assert (last["event"], last["reason"]) == ("down", "for good")
    assert world.events().count("down") > home_history.MOST_A_DAY // 2


def test_a_declared_outage_and_its_end_are_told(world: World) -> None:
    settings = msgspec.structs.replace(world.books.domain.settings, mode="enabled")
    world.books.run(domains.change, domain=world.books.domain, settings=settings)
    world.wait()
    world.books.run(domains.change, domain=world.books.domain, settings=world.books.domain.settings)
    world.wait()
    assert world.events() == ["declared", "declaration over", "recovered"]


def test_containment_and_its_end_are_told_also_beside_a_declared_outage(world: World) -> None:
    settings = msgspec.structs.replace(world.books.domain.settings, mode="enabled")
    world.books.run(domains.change, domain=world.books.domain, settings=settings)
    world.wait()
    world.books.run(containment.begin, domain=world.books.domain.id, by="root", note="ransomware")
    world.wait()
    world.books.run(containment.end, domain=world.books.domain.id)
    world.wait()
    assert world.events() == ["declared", "contained", "containment over"]
    assert [told["reason"] for told in world.ear.heard()] == ["", "ransomware", ""]


def test_what_was_before_the_first_hook_is_not_told(books: Books) -> None:
    books.home_becomes(State.DOWN)
    world = World(books)
    world.wait()
    assert world.events() == []
    books.home_becomes(State.RECOVERING)
    world.wait()
    assert world.events() == ["recovering"]


def test_an_event_is_signed_over_time_and_body(world: World) -> None:
    world.books.home_becomes(State.DOWN)
    world.wait(1)
    ((url, fields, body),) = world.ear.asked
    assert url == URL
    timestamp = fields["X-MPContinuity-Timestamp"]
    assert abs(int(timestamp) - world.books.clock.now() // SECOND) <= 1
    digest = hmac.new(b"the secret", timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert fields["X-MPContinuity-Signature"] == f"sha256={digest}"
    assert fields["X-MPContinuity-Delivery"] == msgspec.json.decode(body)["id"]


@pytest.mark.parametrize("answer", [Answer(500, {}, b""), Answer(302, {}, b""), Unanswered("chat.example: no")])
def test_what_is_not_taken_is_told_again_at_growing_intervals_and_in_order(
    world: World, answer: Answer | Unanswered
) -> None:
    world.ear.answers = [answer] * 3
    world.books.home_becomes(State.DOWN)
    world.wait(5)
    world.books.home_becomes(State.RECOVERING)
    world.wait(10 + 30)
    assert world.events() == ["down", "down"]
    assert world.row().said == (str(answer) if isinstance(answer, Unanswered) else str(answer.status))
    assert world.row().waiting == 2
    world.wait(60 + 10)
    assert world.events() == ["down", "down", "down", "down", "recovering"]
    assert len({each["id"] for each in world.ear.heard()}) == 2
    assert world.row().waiting == 0


def test_after_a_day_it_is_dropped_and_the_next_one_says_so(world: World) -> None:
    world.ear.answers = [Unanswered("away") for _ in range(40)]
    world.books.home_becomes(State.DOWN)
    for _ in range(50):
        world.books.clock.advance(HOUR / SECOND)
        result(Deferred.fromCoroutine(world.webhooks.round()))
    tried = len(world.ear.asked)
    assert tried < 30
    assert (world.row().waiting, world.row().missed) == (0, 1)
    world.ear.answers = []
    world.books.home_becomes(State.RECOVERING)
    world.wait()
    assert world.ear.heard()[-1]["missed"] == 1
    assert world.row().missed == 0


def test_more_than_so_many_are_not_kept_for_a_hook_that_does_not_answer(world: World) -> None:
    world.ear.answers = [Unanswered("away") for _ in range(99)]
    for number in range(hooks.WAITING + 20):
        world.books.run(home_state.pause, domain=world.books.domain.id, reason=f"{number}")
        result(Deferred.fromCoroutine(world.webhooks.round()))
    assert (world.row().waiting, world.row().missed) == (hooks.WAITING, 20)


def test_one_hook_that_does_not_answer_holds_up_no_other(world: World) -> None:
    other = "https://other.example/"
    world.add(other)
    world.ear.answers = [Deferred()]
    world.books.home_becomes(State.DOWN)
    world.wait(3)
    world.books.home_becomes(State.RECOVERING)
    world.wait(5)
    heard = [[each["event"] for each in world.ear.heard(url)] for url in (URL, other)]
    assert sorted(heard) == [["down"], ["down", "recovering"]]


def test_a_hook_that_was_removed_is_not_told_and_leaves_nothing(world: World) -> None:
    world.ear.answers = [Unanswered("away")]
    world.books.home_becomes(State.DOWN)
    world.wait(2)
    world.books.run(hooks.remove, hook=world.hook)
    world.books.home_becomes(State.RECOVERING)
    world.wait(100)
    assert world.events() == ["down"]
    assert world.books.read(hooks.listing, domain=0, after=0, limit=9) == []


def test_two_processes_send_an_event_once(world: World, store: Store) -> None:
    world.ear.answers = [Deferred()]
    world.books.home_becomes(State.DOWN)
    other = Webhooks(store, world.ear)
    for webhooks in (world.webhooks, other, world.webhooks, other):
        result(Deferred.fromCoroutine(webhooks.round()))
    assert world.events() == ["down"]


def test_a_clock_that_jumps_ahead_drops_nothing_until_that_has_lasted(world: World) -> None:
    world.ear.answers = [Unanswered("away")]
    world.books.home_becomes(State.DOWN)
    world.wait(3)
    world.books.clock.jump(10 * 86400)
    world.books.clock.jumped = world.books.clock.seconds()
    world.wait(20)
    assert world.events() == ["down", "down"]
    assert (world.row().waiting, world.row().missed) == (0, 0)


def test_what_a_clock_that_was_ahead_has_put_off_is_told_when_it_is_set_right(world: World) -> None:
    world.books.clock.jump(10 * 86400)
    world.ear.answers = [Unanswered("away")]
    world.books.home_becomes(State.DOWN)
    world.wait(3)
    world.books.clock.jump(-10 * 86400)
    world.wait(3)
    assert world.events() == ["down", "down"]
    assert world.row().waiting == 0


def test_many_domains_are_looked_at_in_transactions_of_bounded_length(
    world: World, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "AT_ONCE", 2)
    looked: list[list[str]] = []
    look = changes.look

    def noted(tx: Any, names: list[str]) -> None:
        looked.append(names)
        look(tx, names)

    monkeypatch.setattr(changes, "look", noted)

    def more(tx: Any) -> None:
        for number in range(4):
            domain = domains.add(tx, f"x{number}.example", books.domain.settings)
            hooks.add(tx, domain.id, URL, "the secret", "")

    books.run(more)
    result(Deferred.fromCoroutine(world.webhooks.round()))
    assert [len(names) for names in looked] == [2, 2, 1]
    assert len({name for names in looked for name in names}) == 5
