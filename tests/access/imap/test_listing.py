"""LIST and LSUB over many, long and deep names: linear, and never long at a stretch."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from mpcontinuity.access.imap import services
from mpcontinuity.access.imap import session as sessions
from mpcontinuity.mailbox import mailboxes
from mpcontinuity.protocols.imap.limits import LIST_PATTERNS
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from tests.access.imap.world import Client, World, converse
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result

SUBSCRIBE = Statement("INSERT INTO subscription (account, name) VALUES (:account, :name)")
SIZES = (20, 40, 80, 160)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What commands count of their work."""
    counted: list[int] = []
    spend = sessions.ImapSession.spend

    async def counting(self: sessions.ImapSession, work: int) -> None:
        counted.append(work)
        await spend(self, work)

    monkeypatch.setattr(sessions.ImapSession, "spend", counting)
    return counted


def create(world: World, names: Sequence[str]) -> None:
    def make(tx: Transaction) -> None:
        for name in names:
            mailboxes.create(tx, world.user.id, name)

    result(world.store.run(make))


def subscribe(world: World, names: Sequence[str]) -> None:
    result(world.store.run(lambda tx: tx.many(SUBSCRIBE, [{"account": world.user.id, "name": name} for name in names])))


def ask(client: Client, clock: ManualClock, line: str) -> bytes:
    """The whole answer, however many portions it takes."""
    answer = client.ask(line)
    clock.advance(0)
    return answer + client.take()


def test_list_with_many_patterns_over_long_names_is_linear(world: World, clock: ManualClock, work: list[int]) -> None:
    patterns = " ".join(f"*a%b{number}x" for number in range(LIST_PATTERNS - 1))
    client = world.logged_in()
    spent: list[int] = []
    for size in SIZES:
        create(world, ["ab" * 400 + f"/{number:04}" for number in range(size // 2 if spent else 0, size)])
        work.clear()
        answer = ask(client, clock, f'a LIST "" ({patterns} *0019)')
        assert answer.count(b"* LIST") == 1
        assert max(work) < services.PORTION
        spent.append(sum(work))
    assert spent[-1] < 9 * spent[0]


def test_lsub_over_deep_subscriptions_is_linear(world: World, clock: ManualClock, work: list[int]) -> None:
    client = world.logged_in()
    spent: list[int] = []
    for size in SIZES:
        subscribe(world, [f"{number:04}" + "/a" * 30 + "/b" for number in range(size // 2 if spent else 0, size)])
        work.clear()
        answer = ask(client, clock, 'a LSUB "" *a')
        assert answer.count(b"* LSUB") == 30 * size
        assert max(work) < services.PORTION
        spent.append(sum(work))
    assert spent[-1] < 9 * spent[0]


def test_others_are_served_between_two_portions(world: World, clock: ManualClock) -> None:
    create(world, [f"{number:04}" + "ab" * 400 for number in range(300)])
    client, other = world.logged_in(), world.logged_in()
    client.say('a LIST "" *')
    assert b"a OK" not in client.take()
    assert other.ask("b NOOP") == b"b OK nothing done\r\n"
    clock.advance(0)
    assert client.take().endswith(b"a OK listed\r\n")


def test_a_list_ends_with_its_client(world: World, clock: ManualClock, work: list[int]) -> None:
    create(world, [f"{number:04}" + "ab" * 400 for number in range(300)])
    client = world.logged_in()
    client.say('a LIST "" *')
    client.lose()
    done = len(work)
    for _ in range(100):
        clock.advance(0)
    assert len(work) == done


def test_names_above_deep_subscriptions_are_shown_once(world: World) -> None:
    subscribe(world, ["x/a/1", "x/a/2", "x/a/2/a/3", "x-y/a", "z"])
    converse(
        world.logged_in(),
        r"""
        C: a LSUB "" x*a
        S: * LSUB (\Noselect) "/" "x/a"
        S: * LSUB (\Noselect) "/" "x/a/2/a"
        S: * LSUB (\Noselect) "/" "x-y/a"
        S: a OK …
        """,
    )
