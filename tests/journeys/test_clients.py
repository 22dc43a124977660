"""Senders that go away, repeat themselves or send what they should not."""

from __future__ import annotations

import contextlib
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.app.running import Server
from tests.fakes.home import SILENCE, ScriptedHome, say
from tests.journeys.world import SENDER, TIMEOUT, World, message


def _vanish(world: World, subject: str, *, recipient: str = "", before_dot: bool = False) -> None:
    """Sends a message and is gone before the answer."""
    with contextlib.closing(world.smtp()) as client:
        client.ehlo("sender.example")
        client.mail(SENDER)
        client.rcpt(recipient or world.anna)
        client.putcmd("DATA")
        assert client.getreply()[0] == 354
        client.send(message(subject))
        if not before_dot:
            client.send(b".\r\n")
        assert client.sock is not None
        client.sock.shutdown(socket.SHUT_RDWR)


def test_a_client_that_is_gone_before_its_dot_leaves_nothing(world: World) -> None:
    world.home.stop()
    _vanish(world, "half", before_dot=True)
    time.sleep(2 * TIMEOUT)
    assert world.subjects() == []
    assert world.ledger()
    world.home.start()
    _vanish(world, "half", before_dot=True)
    time.sleep(2 * TIMEOUT)
    assert world.home.messages == []


def test_a_client_that_is_gone_before_the_answer_may_send_again_without_a_second_copy(world: World) -> None:
    world.home.on("message", say("451 4.3.0 not now", wait=0.2))
    _vanish(world, "again")
    world.wait_for(lambda: world.subjects() == ["again"])
    assert world.send("again").code == 250
    assert world.send("again").code == 250  # told and gone on: from now on it is another message
    world.home.clear()
    world.wait_for_ledger(taken_in=2, delivered=2)
    assert len({copy.id for copy in world.home.received("again")}) == 2


def test_a_message_that_home_took_is_not_sent_again_for_a_client_that_did_not_hear_it(world: World) -> None:
    world.home.on("message", say("250 2.0.0 taken", wait=0.2))
    _vanish(world, "taken")
    assert len(world.at_home("taken")) == 1
    world.home.clear()
    time.sleep(0.2)
    assert world.send("taken").code == 250
    assert len(world.home.received("taken")) == 1
    assert world.ledger()


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
def test_a_vanished_client_is_remembered_across_a_restart(tmp_path: Path, configured: str, kill: bool) -> None:
    with ScriptedHome() as home, Server(tmp_path, configured) as server:
        world = World(server, home)
        home.on("message", say("250 2.0.0 taken", wait=0.1), recipient=world.ben)
        _vanish(world, "passed", recipient=world.ben)
        assert len(world.at_home("passed")) == 1
        time.sleep(2 * TIMEOUT)  # until home has said so, too
        home.stop()
        _vanish(world, "redirected")
        world.wait_for(lambda: world.subjects() == ["redirected"])
        time.sleep(0.3)
        server.stop(signal.SIGKILL if kill else signal.SIGTERM)
        server.start()
        home.start()
        assert world.send("redirected").code == 250
        assert world.send("passed", world.ben).code == 250
        world.wait_for_ledger(taken_in=1, delivered=1)
        assert len(home.received("redirected")) == 1
        assert len(home.received("passed")) == 1


def test_the_same_message_to_another_recipient_is_another_message(world: World) -> None:
    world.home.stop()
    _vanish(world, "same")
    world.wait_for(lambda: world.subjects() == ["same"])
    assert world.send("same", world.ben).code == 250
    assert world.subjects(world.ben) == ["same"]


def test_a_domain_that_is_not_ours_is_not_relayed(world: World) -> None:
    answer = world.send("relay", "x@elsewhere.example")
    assert (answer.code, answer.text[:5]) == (550, "5.7.1")
    for trick in (f"x%elsewhere.example@{world.domain}", f'"x@elsewhere.example"@{world.domain}'):
        answer = world.send("relay", trick)
        assert (answer.code, answer.text[:5]) == (550, "5.1.3")


def test_mail_from_oneself_in_a_loop_ends(world: World) -> None:
    """Home forwards to us what we give it."""
    with world.smtp() as client:
        client.ehlo()
        text = message("loop")
        for _ in range(3):
            client.sendmail(SENDER, [world.anna], text)
            text = world.home.messages[-1].data
        client.mail(SENDER)
        client.rcpt(world.anna)
        assert client.data(text)[0] == 554


def test_fields_that_claim_to_be_ours_are_marked(world: World) -> None:
    with world.smtp() as client:
        client.sendmail(
            SENDER,
            [world.anna],
            b"X-MPContinuity-Id: forged\r\nAuthentication-Results: mx.continuity.example; x\r\n" + message("forged"),
        )
    (copy,) = world.home.received("forged")
    assert len(copy.headers.get_all("X-MPContinuity-Id", [])) == 1
    assert copy.headers["X-Untrusted-X-MPContinuity-Id"] == "forged"
    assert copy.headers["X-Untrusted-Authentication-Results"] == "mx.continuity.example; x"
    assert "Authentication-Results" not in copy.headers


def test_a_bare_line_feed_is_refused_and_smuggles_nothing(world: World) -> None:
    with contextlib.closing(world.smtp()) as client:
        client.ehlo("sender.example")
        client.mail(SENDER)
        client.rcpt(world.anna)
        client.putcmd("DATA")
        client.getreply()
        smuggled = f"\n.\r\nMAIL FROM:<evil@x.example>\r\nRCPT TO:<{world.anna}>\r\nDATA\r\nSubject: evil\r\n\r\n"
        client.send(message("outer") + smuggled.encode() + b"\r\n.\r\n")
        code, text = client.getreply()
        assert (code, text[:6]) == (550, b"5.6.11")
        assert client.noop()[0] == 250
    assert world.home.messages == []


def test_many_sessions_at_once_while_home_falls_silent_lose_nothing(world: World) -> None:
    world.home.on("message", SILENCE, times=1)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda number: world.send(f"message {number}"), range(60)))
    assert {answer.code for answer in answers} == {250}
    world.home.drop_sessions()
    world.wait_for(lambda: world.report()["owed"] == 0)
    at_home = sorted(copy.subject for copy in world.home.messages)
    assert at_home == sorted(f"message {number}" for number in range(60))
