"""COPY, STORE, EXPUNGE and SEARCH of many messages: in short transactions, and no longer than their client is there."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.access.imap import idling, searching
from mpcontinuity.access.imap import session as sessions
from mpcontinuity.accounts import domains
from mpcontinuity.mailbox import mailboxes, portions, view
from mpcontinuity.model.errors import Full, Temporary
from mpcontinuity.model.flags import DELETED
from mpcontinuity.model.settings import DomainSettings
from tests.access.imap.test_dialogues import MIME
from tests.access.imap.world import SIMPLE, World
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Portions that a test fills soon."""
    monkeypatch.setattr(portions, "ROWS", 5)
    monkeypatch.setattr(sessions, "PORTION", 1)
    monkeypatch.setattr(searching, "_AT_A_STRETCH", 2)


def messages(world: World, name: str) -> int:
    info = result(world.store.read(partial(mailboxes.get, account=world.user.id, name=name)))
    return info.messages


class Hook:
    """Does something before the so-many-th transaction from now."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch, at: int, do: Callable[[], None]) -> None:
        run = world.store.run
        self.count = 0

        def hooked(*arguments: Any, **named: Any) -> Deferred[Any]:
            self.count += 1
            if self.count == at:
                do()
            return run(*arguments, **named)

        monkeypatch.setattr(world.store, "run", hooked)


def fail() -> None:
    raise Temporary("the disk is full")


def test_a_copy_goes_in_portions_and_names_all_its_uids(
    world: World, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(12):
        world.deliver()
    client = world.logged_in("INBOX")
    hook = Hook(world, monkeypatch, 0, fail)
    client.ask("a COPY 1:12 Archive")
    clock.advance(0)
    assert hook.count == 3
    assert b"a OK [COPYUID" in (answer := client.take())
    assert b" 1:12 1:12] copied\r\n" in answer
    assert messages(world, "Archive") == 12


def test_a_copy_that_fails_on_its_way_leaves_nothing(
    world: World, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(12):
        world.deliver()
    client = world.logged_in("INBOX")
    Hook(world, monkeypatch, 3, fail)
    client.ask("a COPY 1:12 Archive")
    clock.advance(0)
    assert b"a NO [UNAVAILABLE]" in client.take()
    assert messages(world, "Archive") == 0
    assert messages(world, "INBOX") == 12


def test_a_copy_ends_where_others_fill_the_domain_meanwhile_and_leaves_nothing(
    world: World, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    domain = result(world.store.read(lambda tx: domains.known(tx, "example.org")))
    result(world.store.run(lambda tx: domains.change(tx, domain, DomainSettings(total_quota=10_000))))
    for _ in range(12):
        world.deliver()
    client = world.logged_in("INBOX")
    rest = 10_000 - (12 + 10) * len(SIMPLE)  # when ten have been copied
    Hook(world, monkeypatch, 2, lambda: result(world.services.quotas.count_for_domain(world.user, rest)))
    client.ask("a COPY 1:12 Archive")
    clock.advance(0)
    assert b"a NO [OVERQUOTA]" in client.take()
    assert messages(world, "Archive") == 0


def test_a_copy_whose_client_goes_ends_and_leaves_nothing(
    world: World, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(40):
        world.deliver()
    client = world.logged_in("INBOX")
    hook = Hook(world, monkeypatch, 3, client.lose)
    client.ask("a COPY 1:40 Archive")
    clock.advance(0)
    assert messages(world, "Archive") == 0
    assert hook.count < 3 + 4  # and the portions that took it back


def test_an_expunge_goes_in_portions_and_ends_with_its_client(
    world: World, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(40):
        world.deliver(flags=DELETED)
    client = world.logged_in("INBOX")
    Hook(world, monkeypatch, 3, client.lose)
    client.ask("a EXPUNGE")
    clock.advance(0)
    assert messages(world, "INBOX") == 40 - 15


@pytest.mark.parametrize("key", ["TEXT nowhere", "HEADER Subject nowhere", "SENTSINCE 1-Jan-2030"])
def test_a_search_ends_with_its_client(
    world: World, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    for _ in range(3):
        world.deliver(MIME)
    monkeypatch.setattr("mpcontinuity.mailbox.search._RENDERED_ROWS", 1)
    monkeypatch.setattr("mpcontinuity.mailbox.search._BODIES", 1)
    client = world.logged_in("INBOX")
    spent: list[int] = []
    spend = sessions.ImapSession.spend

    async def counting(self: sessions.ImapSession, work: int) -> None:
        spent.append(work)
        if len(spent) == 2:
            client.lose()
        await spend(self, work)

    monkeypatch.setattr(sessions.ImapSession, "spend", counting)
    client.ask(f"a SEARCH {key}")
    clock.advance(0)
    assert len(spent) == 2


def test_a_long_answer_to_a_search_is_put_together_in_stretches(world: World, clock: ManualClock) -> None:
    for _ in range(7):
        world.deliver()
    client = world.logged_in("INBOX")
    client.say("a SEARCH NOT 3:4")
    client.say("b SEARCH RETURN (ALL COUNT) 2:*")
    clock.advance(0)
    assert client.take().split(b"\r\n")[:3:2] == [
        b"* SEARCH 1 2 5 6 7",
        b'* ESEARCH (TAG "b") ALL 2:7 COUNT 6',
    ]


def test_who_will_say_no_more_is_sounded_while_a_long_command_goes_on(world: World, clock: ManualClock) -> None:
    for _ in range(3):
        world.deliver(MIME)
    client = world.logged_in("INBOX")
    clock.advance(5)
    client.ask("a SEARCH TEXT nowhere")
    client.connection.readConnectionLost()
    clock.advance(0)
    assert client.take() == b"* OK still at work\r\n* SEARCH\r\na OK searched\r\n"


def test_a_copy_and_a_new_mailbox_wait_for_room_on_the_disk_and_an_expunge_does_not(
    world: World, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.deliver(flags=DELETED)
    client = world.logged_in("INBOX")

    def full() -> None:
        raise Full("only some octets are free on the disk")

    monkeypatch.setattr(world.store.bodies, "check_room", full)
    assert client.ask("a COPY 1 Archive").startswith(b"a NO [UNAVAILABLE]")
    assert client.ask("b CREATE New").startswith(b"b NO [UNAVAILABLE]")
    client.say("c MOVE 1 Trash")
    client.say("d EXPUNGE")
    clock.advance(0)
    assert client.take().endswith(b"c OK moved\r\nd OK expunged\r\n")


def test_much_news_lets_others_have_their_turn_and_is_told_before_anything_else(
    world: World, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "_AT_A_STRETCH", 2)
    monkeypatch.setattr(idling, "_AT_A_STRETCH", 2)
    for _ in range(6):
        world.deliver()
    client, waiting, other = (world.logged_in("INBOX") for _ in range(3))
    waiting.ask("i IDLE")
    other.ask("x STORE 1:6 +FLAGS.SILENT (\\Seen)")
    other.ask("y UID STORE 2:3 +FLAGS.SILENT (\\Deleted)")
    clock.advance(0)
    other.ask("z EXPUNGE")
    client.say("a NOOP")
    waiting.say("DONE")
    assert client.take() == b"* 3 EXPUNGE\r\n* 2 EXPUNGE\r\n"
    clock.advance(0)
    assert client.take().split(b"\r\n")[-2] == b"a OK nothing done"
    assert waiting.take().endswith(b"* 3 EXPUNGE\r\n* 2 EXPUNGE\r\ni OK done\r\n")
