"""Who has read the answer to a message may send the same octets again; who cannot have, gets no second copy."""

from __future__ import annotations

import contextlib
import socket
import struct
from contextlib import closing

import pytest

from mpcontinuity.inbound.receipt import Arrival, arrival
from mpcontinuity.routing.health import Gate
from tests.inbound.dialogues import Connection, Door

ENVELOPE = ("EHLO device.example.net", "MAIL FROM:<alarm@example.net>", "RCPT TO:<ann@example.org>", "DATA")
MESSAGE = ("Subject: The door is open", "", "It is.", ".")


@pytest.fixture(params=["away", "up"])
def door(request: pytest.FixtureRequest, door: Door) -> Door:
    door.post.home.decision = Gate.SHUT if request.param == "away" else Gate.OPEN
    return door


def answered(door: Door, *behind: str) -> Connection:
    """A client whose message was answered 250, with these commands behind its final dot."""
    client = door.connect()
    client.say(*ENVELOPE)
    assert "250 2.0.0" in client.say(*MESSAGE, *behind)
    return client


def remembered(door: Door) -> int:
    door.post.clock.advance(0.1)
    return door.post.count("answered")


def test_a_close_in_order_ends_the_message_once_the_answer_is_acknowledged(door: Door) -> None:
    client = answered(door)
    client.close()
    assert client.wire.closed_our_direction
    assert not client.ended()
    client.session.writeConnectionLost()
    assert client.ended()
    assert remembered(door) == 0


def test_an_acknowledgement_that_is_late_is_waited_for(door: Door) -> None:
    client = answered(door)
    client.wire.arrived = Arrival.UNDER_WAY
    client.close()
    client.session.writeConnectionLost()
    door.post.clock.advance(1)
    assert not client.ended()
    assert remembered(door) == 1
    client.wire.arrived = Arrival.ACKNOWLEDGED
    door.post.clock.advance(2)
    assert client.ended()
    assert remembered(door) == 0


def test_a_client_that_closed_before_the_answer_came_and_is_not_there_has_not_read_it(door: Door) -> None:
    client = answered(door)
    client.wire.arrived = Arrival.UNDER_WAY
    client.close()
    client.session.writeConnectionLost()
    client.wire.arrived = Arrival.RESET
    door.post.clock.advance(1)
    assert client.ended()
    assert remembered(door) == 1


def test_an_answer_that_nobody_acknowledges_is_not_waited_for_long(door: Door) -> None:
    client = answered(door)
    client.wire.arrived = Arrival.UNDER_WAY
    client.close()
    client.session.writeConnectionLost()
    door.post.clock.advance(11)
    assert client.wire.aborted
    client.vanish()
    assert remembered(door) == 1


def test_quit_behind_the_final_dot_is_followed_by_a_close_in_order(door: Door) -> None:
    client = answered(door, "QUIT")
    client.session.writeConnectionLost()
    assert not client.ended()  # the client's end is still to come, in order or not
    client.close()
    assert client.ended()
    assert remembered(door) == 0


def test_quit_behind_the_final_dot_and_a_reset_is_a_client_that_vanished(door: Door) -> None:
    client = answered(door, "QUIT")
    client.session.writeConnectionLost()
    client.vanish()
    assert remembered(door) == 1


def test_quit_behind_the_final_dot_and_a_client_that_stays_is_cut_off_and_has_read_it(door: Door) -> None:
    client = answered(door, "QUIT")
    client.session.writeConnectionLost()
    door.post.clock.advance(11)
    assert client.wire.aborted
    client.vanish()
    assert remembered(door) == 0


def test_a_reset_after_the_answer_is_a_client_that_vanished(door: Door) -> None:
    client = answered(door)
    client.vanish()
    assert remembered(door) == 1


def test_what_comes_after_our_end_closes_at_once(door: Door) -> None:
    client = answered(door, "QUIT")
    client.session.writeConnectionLost()
    client.send(b"NOOP\r\n")
    assert client.ended()
    assert remembered(door) == 0


def test_another_client_may_send_the_same_while_the_first_only_keeps_silent(door: Door) -> None:
    answered(door)
    second = door.connect()
    second.say(*ENVELOPE)
    said = second.say(*MESSAGE)
    for _ in range(8):
        door.post.clock.advance(0.25)
        said += second.read()
    assert said.startswith("250")
    assert door.post.count("body") == 2


def test_a_client_that_is_cut_off_after_its_silence_has_read_what_it_acknowledged(door: Door) -> None:
    client = answered(door)
    door.post.clock.advance(301)
    assert client.read().startswith("421")
    door.post.clock.advance(11)
    assert client.wire.aborted
    client.vanish()
    assert remembered(door) == 0


class Wired:
    """What a transport is to ``arrival``."""

    def __init__(self, connection: socket.socket | None) -> None:
        self.socket = connection


def pair() -> tuple[socket.socket, socket.socket]:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        client = socket.create_connection(listening.getsockname())
        server, _ = listening.accept()
    return client, server


def test_what_the_kernel_of_a_client_has_is_acknowledged() -> None:
    client, server = pair()
    with client, server:
        assert arrival(Wired(server)) is Arrival.ACKNOWLEDGED
        server.sendall(b"250 2.0.0\r\n")
        assert arrival(Wired(server)) is Arrival.ACKNOWLEDGED
        client.shutdown(socket.SHUT_WR)
        server.shutdown(socket.SHUT_WR)
        assert arrival(Wired(server)) is Arrival.ACKNOWLEDGED


def test_what_finds_no_room_at_a_client_is_under_way() -> None:
    client, server = pair()
    with client, server:
        server.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                server.send(b"x" * 65536)
        assert arrival(Wired(server)) is Arrival.UNDER_WAY


@pytest.mark.parametrize("unread", [True, False], ids=["killed before it read", "aborted"])
def test_a_client_that_is_gone_has_reset_the_connection(unread: bool) -> None:
    client, server = pair()
    with server:
        server.sendall(b"250 2.0.0\r\n")
        if not unread:
            assert client.recv(100)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        assert arrival(Wired(server)) is Arrival.RESET


def test_a_connection_that_is_closed_here_says_nothing_any_more() -> None:
    assert arrival(Wired(None)) is Arrival.RESET
