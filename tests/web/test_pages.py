"""What a request to the pages for machines may cost, and what it is answered."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs
from twisted.python.failure import Failure

from mpcontinuity.web.answers import Answer
from mpcontinuity.web.channel import AHEAD, IGNORED
from mpcontinuity.web.pages import PageSite


class Transport(StringTransport):
    def abortConnection(self) -> None:
        self.aborted = True
        super().abortConnection()

    def pauseProducing(self) -> None:
        """As a real transport takes it, also behind loseConnection."""
        self.producerState = "paused"

    aborted = False


class Web:
    """A site with a page ``/page``, and one that answers when the test says so."""

    def __init__(self, connections: int = 4) -> None:
        self.clock = Clock()
        self.slow: Deferred[Answer] = Deferred()

        async def page() -> Answer:
            return Answer(b"content\n")

        async def slow() -> Answer:
            return await self.slow

        async def broken() -> Answer:
            raise RuntimeError("broken")

        timer: Any = self.clock
        self.site = PageSite({b"/page": page, b"/slow": slow, b"/broken": broken}, timer, connections=connections)

    def connect(self) -> tuple[Any, Any]:
        channel = self.site.buildProtocol(None)
        assert channel is not None
        transport = Transport()
        channel.makeConnection(transport)
        return channel, transport

    def ask(self, *pieces: bytes) -> Any:
        channel, transport = self.connect()
        for piece in pieces:
            channel.dataReceived(piece)
        return transport


def test_a_page_is_answered_with_its_length() -> None:
    answer = Web().ask(b"GET /page?x=1 HTTP/1.1\r\nHost: a\r\n\r\n").value()
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Length: 8\r\n" in answer
    assert answer.endswith(b"\r\n\r\ncontent\n")


def test_head_is_answered_without_the_content() -> None:
    answer = Web().ask(b"HEAD /page HTTP/1.1\r\nHost: a\r\n\r\n").value()
    assert b"Content-Length: 8\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PROPFIND"])
def test_other_methods_are_refused(method: bytes) -> None:
    answer = Web().ask(method + b" /page HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").value()
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert b"Allow: GET, HEAD\r\n" in answer


def test_an_unknown_path_is_404_and_a_failing_page_500() -> None:
    assert Web().ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").value().startswith(b"HTTP/1.1 404 ")
    assert Web().ask(b"GET /broken HTTP/1.1\r\nHost: a\r\n\r\n").value().startswith(b"HTTP/1.1 500 ")


def test_two_requests_of_a_connection_are_both_answered() -> None:
    web = Web()
    transport = web.ask(2 * b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n")
    web.clock.advance(0)
    assert transport.value().count(b"content\n") == 2


@pytest.mark.parametrize(
    "body", [b"Content-Length: 99999999999\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n"]
)
def test_a_request_with_a_body_is_cut_off(body: bytes) -> None:
    transport = Web().ask(b"GET /page HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n" + body)
    assert transport.value().startswith(b"HTTP/1.1 413 ")
    assert transport.value().count(b"HTTP/1.1") == 1
    assert transport.disconnecting


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n",
        b"GET /" + b"a" * 20_000,  # its end has not come
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 60 + b"\r\n",
    ],
)
def test_a_request_with_huge_or_many_headers_is_cut_off(request_: bytes) -> None:
    transport = Web().ask(request_)
    assert transport.value().startswith(b"HTTP/1.1 400 ")
    assert transport.disconnecting


def test_a_client_that_sends_an_octet_now_and_then_is_cut_off_after_half_a_minute() -> None:
    web = Web()
    channel, transport = web.connect()
    with capturedLogs() as logged:
        for octet in b"GET /page HTTP/1.1\r\n"[:15]:
            channel.dataReceived(bytes([octet]))
            web.clock.advance(2.1)
        assert transport.disconnecting
        web.clock.advance(11)
    assert transport.aborted
    assert not logged


def test_a_client_that_does_not_read_its_answer_is_cut_off() -> None:
    web = Web()
    channel, transport = web.connect()
    channel.dataReceived(b"GET /page HTTP/1.0\r\n\r\n")
    assert transport.disconnecting
    assert not transport.aborted
    web.clock.advance(11)
    assert transport.aborted


def test_a_page_that_takes_long_is_waited_for_and_not_sent_to_who_has_gone() -> None:
    web = Web()
    channel, transport = web.connect()
    channel.dataReceived(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    web.clock.advance(60)
    channel.connectionLost()
    web.slow.callback(Answer(b"late"))
    assert transport.value() == b""
    assert not web.clock.getDelayedCalls()


def test_connections_above_the_limit_are_closed_until_others_go() -> None:
    web = Web(connections=2)
    first, _ = web.connect()
    web.connect()
    assert web.site.buildProtocol(None) is None
    first.connectionLost()
    web.connect()


def test_a_site_that_stops_cuts_its_connections() -> None:
    web = Web()
    _, transport = web.connect()
    web.site.stop()
    assert transport.aborted


def test_requests_behind_each_other_are_answered_in_turns_and_none_that_the_client_does_not_take() -> None:
    web = Web()
    channel, transport = web.connect()
    channel.dataReceived(b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n" * 5)
    assert transport.value().count(b"content") == 1
    channel.pauseProducing()  # the client takes nothing
    channel.dataReceived(b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n")
    web.clock.advance(0)
    assert transport.value().count(b"content") == 1
    channel.resumeProducing()
    assert transport.value().count(b"content") == 1
    web.clock.advance(0)
    assert transport.value().count(b"content") == 6
    channel.dataReceived(b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n")
    assert transport.value().count(b"content") == 7


def test_who_never_takes_the_answers_is_cut_with_the_requests_behind_them() -> None:
    web = Web()
    channel, transport = web.connect()
    channel.dataReceived(b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n" * 5)
    channel.pauseProducing()
    web.clock.pump([10] * 10)
    assert transport.value().count(b"content") == 1
    assert transport.aborted
    channel.connectionLost(Failure(ConnectionDone()))
    assert not web.clock.getDelayedCalls()


def test_of_the_requests_behind_an_answer_that_nobody_takes_a_few_are_read() -> None:
    web = Web()
    channel, transport = web.connect()
    request = b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n"
    channel.dataReceived(request * 2)
    channel.pauseProducing()  # the client takes nothing
    come = 0
    while transport.producerState == "producing":
        channel.dataReceived(request * 30)
        come += 30
        assert come * len(request) <= AHEAD + 30 * len(request)
    channel.resumeProducing()
    web.clock.pump([0] * (come + 2))
    assert transport.value().count(b"content") == come + 2
    assert transport.producerState == "producing"


def test_of_what_a_client_sends_behind_its_last_answer_some_is_read_and_then_nothing() -> None:
    web = Web()
    channel, transport = web.connect()
    channel.dataReceived(b"GET /page HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    channel.dataReceived(b"x" * IGNORED)
    assert transport.producerState == "producing"
    channel.dataReceived(b"x")
    assert transport.producerState == "paused"
    assert not transport.aborted
    web.clock.advance(11)
    assert transport.aborted
