"""Bodies that come in pieces, and streams that go out: what they cost where the other side is slow, or goes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.python.failure import Failure

from mpcontinuity.door.deadline import LINGER
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.rations import Rations
from mpcontinuity.model.settings import Limits
from mpcontinuity.web.answers import PIECE, TAKEN_WITHIN, Answer, Stream
from mpcontinuity.web.asked import Asked
from mpcontinuity.web.channel import HEADER_FIELDS, HEADER_OCTETS, REQUEST_WITHIN, SLOWEST_BODY
from mpcontinuity.web.headers import DATA
from mpcontinuity.web.inflow import MOST_WAITING, ClientGone
from mpcontinuity.web.routes import Route, RoutedSite
from tests.web.test_pages import Transport

LONGEST = 1 << 20


class Web:
    """A site that takes uploads of up to `LONGEST` octets at ``/upload``, and gives endless streams at ``/stream``."""

    def __init__(self) -> None:
        self.clock = Clock()
        timer: Any = self.clock
        self.came: list[bytes] = []
        self.ready: Deferred[None] | None = None  # an upload waits for it before each piece
        self.ends: list[str] = []
        self.made = 0  # pieces of streams
        self.news: Deferred[bytes] = Deferred()
        routes = [
            Route("PUT", "/upload", self._upload, LONGEST, DATA, pieces=True),
            Route("PUT", "/refused", self._refused, LONGEST, DATA, pieces=True),
            Route("GET", "/stream", self._stream),
            Route("GET", "/waiting", self._waiting),
            Route("GET", "/large", self._large),
        ]
        self.site = RoutedSite(routes, timer, Rations(Limits(), self.clock.seconds), most=4)

    async def _upload(self, asked: Asked) -> Answer:
        assert asked.pieces is not None
        try:
            async for piece in asked.pieces:
                self.came.append(piece)
                if self.ready is not None:
                    await self.ready
        except ClientGone:
            self.ends.append("gone")
            raise
        self.ends.append("complete")
        return Answer(b"%d octets\n" % sum(map(len, self.came)))

    async def _refused(self, asked: Asked) -> Answer:
        raise Refused("not here", "forbidden")

    async def _stream(self, asked: Asked) -> Stream:
        async def pieces() -> AsyncGenerator[bytes, None]:
            try:
                for _ in range(10_000):
                    self.made += 1
                    yield b"x" * PIECE
            finally:
                self.ends.append("stream")

        return Stream(pieces())

    async def _waiting(self, asked: Asked) -> Stream:
        async def pieces() -> AsyncGenerator[bytes, None]:
            try:
                yield b"first\n"
                yield await self.news
            finally:
                self.ends.append("stream")

        return Stream(pieces())

    async def _large(self, asked: Asked) -> Answer:
        return Answer(b"y" * (5 * PIECE))

    def connect(self) -> tuple[Any, Any]:
        channel = self.site.buildProtocol(None)
        assert channel is not None
        transport = Transport()
        channel.makeConnection(transport)
        return channel, transport


def fills(channel: Any, transport: Any, stops: list[int]) -> None:
    """Has the socket's buffer be full each time that so many octets were written."""
    original = transport.io.write

    class Socket:
        def write(self, data: bytes) -> None:
            original(data)
            if stops and len(transport.value()) > stops[0]:
                stops.pop(0)
                channel.pauseProducing()

        getvalue = transport.io.getvalue

    transport.io = Socket()


def body_of(transport: Any) -> bytes:
    return bytes(transport.value().partition(b"\r\n\r\n")[2])


def put(path: bytes, length: int | None, more: bytes = b"") -> bytes:
    how = b"Transfer-Encoding: chunked" if length is None else b"Content-Length: %d" % length
    return b"PUT " + path + b" HTTP/1.1\r\nHost: a\r\n" + how + b"\r\n" + more + b"\r\n"


NEXT = b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"


def test_an_upload_is_handed_over_as_it_comes_and_the_connection_goes_on_behind_it() -> None:
    web = Web()
    channel, transport = web.connect()
    channel.dataReceived(put(b"/upload", 6) + b"abc")
    assert web.came == [b"abc"]
    channel.dataReceived(b"def" + NEXT)
    web.clock.advance(0)
    assert web.came == [b"abc", b"def"]
    assert b"\r\n\r\n6 octets\n" in transport.value()
    assert transport.value().count(b"HTTP/1.1 404 ") == 1
    assert not transport.disconnecting


def test_chunks_and_an_empty_body_are_uploads_too() -> None:
    web = Web()
    channel, transport = web.connect()
    channel.dataReceived(put(b"/upload", None) + b"3\r\nabc\r\n0\r\n\r\n" + put(b"/upload", 0))
    web.clock.advance(0)
    assert b"3 octets" in transport.value()
    assert web.ends == ["complete", "complete"]


def test_while_the_page_is_busy_the_client_is_not_read_from() -> None:
    web = Web()
    web.ready = Deferred()
    channel, transport = web.connect()
    channel.dataReceived(put(b"/upload", LONGEST) + b"x")
    channel.dataReceived(b"x" * (MOST_WAITING - 1))
    assert transport.producerState == "producing"
    channel.dataReceived(b"x")
    assert transport.producerState == "paused"
    web.ready.callback(None)
    assert transport.producerState == "producing"


@pytest.mark.parametrize("path", [b"/refused", b"/nothing"])
def test_what_is_refused_before_its_body_has_come_ends_the_connection_and_nothing_of_the_body_is_a_request(
    path: bytes,
) -> None:
    web = Web()
    channel, transport = web.connect()
    channel.dataReceived(put(path, len(NEXT), b"Expect: 100-continue\r\n"))
    channel.dataReceived(NEXT)
    assert transport.value().startswith((b"HTTP/1.1 403 ", b"HTTP/1.1 413 "))
    assert transport.value().count(b"HTTP/1.1 ") == 1
    assert transport.disconnecting
    web.clock.advance(LINGER)
    assert transport.aborted


@pytest.mark.parametrize("body", [put(b"/upload", LONGEST + 1), put(b"/upload", None) + b"%x\r\n" % (LONGEST + 1)])
def test_an_upload_that_is_too_large_is_413_and_its_page_hears_that_no_more_comes(body: bytes) -> None:
    web = Web()
    channel, transport = web.connect()
    channel.dataReceived(body)
    for _ in range(LONGEST // PIECE + 1):
        channel.dataReceived(b"x" * PIECE)
    assert b"HTTP/1.1 413 " in transport.value()
    assert b"octets" not in transport.value()
    assert sum(map(len, web.came)) <= LONGEST
    assert web.ends in ([], ["gone"])


def test_a_client_that_goes_in_the_middle_is_told_to_the_page_and_no_line_is_logged() -> None:
    web = Web()
    channel, _ = web.connect()
    channel.dataReceived(put(b"/upload", 6) + b"abc")
    with capturedLogs() as logs:
        channel.connectionLost(Failure(ConnectionLost()))
    assert web.ends == ["gone"]
    assert not logs


def test_an_upload_has_the_time_that_a_slow_network_needs_and_no_more() -> None:
    web = Web()
    channel, transport = web.connect()
    channel.dataReceived(put(b"/upload", LONGEST) + b"x")
    web.clock.advance(REQUEST_WITHIN + LONGEST / SLOWEST_BODY - 1)
    assert not transport.disconnecting
    channel.dataReceived(b"x")
    web.clock.advance(1)
    assert transport.disconnecting
    web.clock.advance(LINGER)
    channel.connectionLost(Failure(ConnectionLost()))
    assert web.ends == ["gone"]


def test_the_request_behind_an_upload_has_no_more_time_than_any_other() -> None:
    web = Web()
    channel, transport = web.connect()
    channel.dataReceived(put(b"/upload", 3) + b"abc")
    web.clock.advance(REQUEST_WITHIN)
    assert transport.disconnecting


def test_a_stream_that_nobody_reads_is_made_no_further_and_its_client_is_cut() -> None:
    web = Web()
    channel, transport = web.connect()
    fills(channel, transport, [PIECE])
    channel.dataReceived(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
    assert web.made <= 2
    web.clock.advance(TAKEN_WITHIN)
    assert transport.aborted
    channel.connectionLost(Failure(ConnectionLost()))
    assert web.ends == ["stream"]
    assert web.made <= 2


def test_a_stream_goes_on_where_its_client_reads_again() -> None:
    web = Web()
    channel, transport = web.connect()
    fills(channel, transport, [PIECE, 3 * PIECE])
    channel.dataReceived(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
    for _ in range(2):
        assert len(body_of(transport)) < 5 * PIECE
        web.clock.advance(TAKEN_WITHIN - 1)
        channel.resumeProducing()
    assert len(body_of(transport)) == 5 * PIECE
    assert not transport.aborted
    channel.dataReceived(NEXT)
    assert b"HTTP/1.1 404 " in transport.value()


def test_a_stream_that_waits_for_news_ends_when_its_client_goes() -> None:
    web = Web()
    channel, transport = web.connect()
    channel.dataReceived(b"GET /waiting HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b"first\n" in transport.value()
    with capturedLogs() as logs:
        channel.connectionLost(Failure(ConnectionLost()))
    assert web.ends == ["stream"]
    assert not logs


def test_a_header_is_bounded_in_octets_and_fields() -> None:
    fields = b"".join(b"x-%d: 1\r\n" % number for number in range(HEADER_FIELDS + 1))
    for header in (b"x: " + b"a" * HEADER_OCTETS + b"\r\n", fields):
        channel, transport = Web().connect()
        channel.dataReceived(b"GET /nothing HTTP/1.1\r\nHost: a\r\n" + header + b"\r\n")
        assert transport.value().startswith(b"HTTP/1.1 400 ")
        assert transport.disconnecting
