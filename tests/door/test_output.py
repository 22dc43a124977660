"""Answers go to the socket at once where they can, in order, and no faster than the client reads."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import Deferred
from twisted.internet.main import CONNECTION_DONE
from twisted.internet.task import Clock
from twisted.protocols.policies import ProtocolWrapper

from mpcontinuity.door.output import Gone, Output


class Socket(FileDescriptor):
    """Takes ``room`` octets before it is full."""

    TLS = False

    def __init__(self, room: int) -> None:
        self.clock = Clock()
        reactor: Any = self.clock
        super().__init__(reactor=reactor)
        self.connected = 1
        self.room = room
        self.taken = b""
        self.broken = False
        self.writing = False

    def writeSomeData(self, data: bytes) -> int | BaseException:
        if self.broken:
            return ConnectionResetError()
        piece = bytes(data[: self.room])
        self.room -= len(piece)
        self.taken += piece
        return len(piece)

    def startWriting(self) -> None:
        self.writing = True

    def stopWriting(self) -> None:
        self.writing = False

    def stopReading(self) -> None:
        pass

    def make_room(self, octets: int) -> Any:
        self.room += octets
        write: Any = self.doWrite
        return write() if self.writing else None


def output(transport: Any) -> Output:
    return Output(transport, lambda: None)


def room(output: Output) -> Deferred[None]:
    return Deferred.fromCoroutine(output.room())


def test_what_the_socket_takes_is_sent_before_write_returns() -> None:
    socket = Socket(1000)
    out = output(socket)
    out.write(b"one")
    out.write(b"two")
    assert (socket.taken, socket.writing) == (b"onetwo", False)
    assert room(out).called


def test_what_the_socket_does_not_take_waits_and_all_stays_in_order() -> None:
    socket = Socket(4)
    out = output(socket)
    out.write(b"one")
    out.write(b"two")
    waiting = room(out)
    out.write(b"three")
    assert (socket.taken, socket.writing, waiting.called) == (b"onet", True, False)
    socket.make_room(3)
    assert (socket.taken, waiting.called) == (b"onetwot", False)
    socket.make_room(100)
    assert (socket.taken, waiting.called) == (b"onetwothree", True)
    out.write(b"four")
    assert (socket.taken, socket.writing) == (b"onetwothreefour", False)


def test_a_client_that_reads_fast_does_not_keep_the_others_waiting() -> None:
    socket = Socket(10**9)
    out = output(socket)
    turns = 0
    for _ in range(100):
        out.write(b"x" * 50_000)
        waiting = room(out)
        if not waiting.called:
            turns += 1
            socket.clock.advance(0)
        assert waiting.called
    assert turns >= 5_000_000 // (200 * 1024)


def test_who_is_gone_while_others_have_their_turn_is_written_no_more() -> None:
    socket = Socket(10**9)
    out = output(socket)
    out.write(b"x" * 200_000)
    waiting = room(out)
    out.lost()
    socket.clock.advance(0)
    failures: list[Any] = []
    waiting.addErrback(failures.append)
    assert failures[0].check(Gone)
    out.write(b"more")
    assert len(socket.taken) == 200_000


def test_a_broken_socket_is_told_of_by_the_transport() -> None:
    socket = Socket(100)
    out = output(socket)
    socket.broken = True
    out.write(b"one")
    assert (socket.taken, socket.writing) == (b"", True)


@pytest.mark.parametrize("kind", ["wrapped", "upgraded"])
def test_nothing_goes_past_tls(kind: str) -> None:
    socket = Socket(100)
    encrypted: list[bytes] = []

    class Tls(ProtocolWrapper):
        """It lends all attributes of the socket, ``writeSomeData`` too."""

        def __init__(self) -> None:
            self.transport: Any = socket

        def write(self, data: bytes) -> None:
            encrypted.append(data)

    if kind == "upgraded":  # as startTLS does it
        socket.TLS = True
        vars(socket)["write"] = encrypted.append
        out = output(socket)
    else:
        out = output(Tls())
    out.write(b"secret")
    assert (socket.taken, encrypted) == (b"", [b"secret"])


def test_the_end_comes_after_all_that_was_written() -> None:
    socket = Socket(2)
    out = output(socket)
    out.write(b"one")
    out.close()
    assert (socket.taken, socket.disconnecting, socket.writing) == (b"on", True, True)
    assert socket.make_room(10) is CONNECTION_DONE
    assert socket.taken == b"one"
