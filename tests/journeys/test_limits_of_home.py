"""A home server that limits us, is slow, or has one bad mailbox is up: no message of a healthy home is redirected."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from mpcontinuity.delivery.reservations import WHILE_OTHERS_WAIT
from tests.app.running import Server
from tests.fakes.home import HANG_UP, Behaviour, Stage, say, taken_late
from tests.journeys.world import Answer, World, configuration

CONNECTIONS = 4


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = configuration(timeout=2).replace("[home]", f"[home]\nconnections = {CONNECTIONS}")
    with Server(tmp_path_factory.mktemp("server"), settings) as running:
        yield running
        assert "Traceback" not in running.log.read_text(), running.log.read_text()[-6000:]


def send_at_once(world: World, count: int, *recipients: str) -> list[int]:
    """The replies to so many messages of clients that come together."""
    with ThreadPoolExecutor(count) as clients:
        answers = list(clients.map(lambda number: world.send(f"message {number}", *recipients), range(count)))
    return [answer.code for answer in answers]


def all_passed(world: World, count: int) -> None:
    assert len(world.home.messages) == count
    assert world.state() == "up"
    assert world.subjects() == []
    assert world.report()["taken_in"] == 0


def test_a_cold_burst_at_a_home_that_serves_two_at_once_passes(world: World) -> None:
    world.home.max_sessions = 2
    assert send_at_once(world, 30) == [250] * 30
    all_passed(world, 30)


def test_sixty_clients_at_once_at_a_slow_home_are_all_served(world: World) -> None:
    world.home.on("message", say("250 2.0.0 taken", wait=0.5))
    assert send_at_once(world, 60) == [250] * 60
    all_passed(world, 60)


@pytest.mark.parametrize("stage", ["mail", "data", "message"])
@pytest.mark.parametrize("reply", ["421 4.7.0 too many messages", "450 4.7.1 too many messages"])
def test_a_home_that_takes_three_messages_in_a_session_gets_all(world: World, stage: Stage, reply: str) -> None:
    behaviour = say(reply, hang_up=reply.startswith("421"))
    world.home.on(stage, behaviour, after=3)
    for number in range(20):
        assert world.send(f"message {number}").code == 250
    all_passed(world, 20)


@pytest.mark.parametrize("behaviour", [say("421 4.3.0 no", hang_up=True), HANG_UP], ids=["421", "hang-up"])
def test_one_mailbox_that_ends_sessions_costs_the_others_nothing(world: World, behaviour: Behaviour) -> None:
    bad, good = world.anna, world.ben
    world.home.on("rcpt", behaviour, recipient=bad)
    for number in range(10):
        assert world.send(f"bad {number}", bad).code == 250
        for message in range(3):
            assert world.send(f"good {number}.{message}", good).code == 250
    assert len([message for message in world.home.messages if message.recipients == [good]]) == 30
    assert world.state() == "up"
    assert len(world.subjects(bad)) == 10


def test_one_slow_mailbox_leaves_sessions_to_the_others_and_home_up(world: World) -> None:
    slow, other = world.anna, world.ben
    world.home.on("rcpt", say("250 2.1.5 ok", wait=1.5), recipient=slow)
    world.home.on("message", taken_late(6), recipient=slow)
    with ThreadPoolExecutor(12) as clients:
        waiting = [clients.submit(world.send, f"slow {number}", slow) for number in range(12)]
        answers: list[Answer] = []
        while not all(each.done() for each in waiting):
            answers.append(world.send(f"other {len(answers)}", other))
            assert world.state() == "up"
        assert [each.result().code for each in waiting] == [250] * 12
    assert {answer.code for answer in answers} == {250}
    passed = [message for message in world.home.messages if message.recipients == [other]]
    assert len(passed) == len(answers) > 3
    assert max(answer.seconds for answer in answers) < WHILE_OTHERS_WAIT
    assert world.subjects(other) == []
    world.wait_for(lambda: world.report()["taken_in"] == world.report()["delivered"])
    assert world.state() == "up"


def test_a_host_with_many_idle_connections_holds_up_nobody_else(world: World) -> None:
    with contextlib.ExitStack() as stack:
        hoard = [stack.enter_context(socket.socket()) for _ in range(40)]
        for client in hoard:
            client.bind(("127.0.0.2", 0))
            client.connect(("127.0.0.1", world.server.ports["smtp"]))
            client.sendall(b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<%s>\r\n" % world.anna.encode())
        # all that one mailbox may have at once: a quarter is left to others
        world.wait_for(lambda: sum("RCPT" in line for _, line in world.home.commands) >= CONNECTIONS - 1)
        answers = [world.send(f"message {number}") for number in range(3)]
    assert [answer.code for answer in answers] == [250] * 3
    assert [message.subject for message in world.home.messages] == ["message 0", "message 1", "message 2"]
    assert max(answer.seconds for answer in answers) < WHILE_OTHERS_WAIT


def test_two_domains_at_one_home_share_its_connections_and_its_outage(world: World) -> None:
    other = World(world.server, world.home)
    world.home.on("message", say("250 2.0.0 taken", wait=0.2))
    with ThreadPoolExecutor(40) as clients:
        jobs = [clients.submit(site.send, f"message {number}") for number in range(20) for site in (world, other)]
        assert {job.result().code for job in jobs} == {250}
    assert len(world.home.messages) == 40
    assert world.home.most_sessions <= CONNECTIONS + 1  # a probe
    world.home.stop()
    assert world.send("during").code == 250
    other.wait_for(lambda: other.state() == "down")
    world.home.start()
    world.wait_for_ledger(taken_in=1, delivered=1)
    other.wait_for(lambda: (world.state(), other.state()) == ("up", "up"))
