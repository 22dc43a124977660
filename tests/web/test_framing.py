"""Requests in which two servers could see different ones, or different hosts, are refused; sound ones are taken."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from mpcontinuity.model.rations import Rations
from mpcontinuity.model.settings import Limits
from mpcontinuity.web.answers import Answer, Stream
from mpcontinuity.web.asked import Asked
from mpcontinuity.web.routes import Route, RoutedSite
from tests.web.test_pages import Transport

FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"


class Web:
    """A site with a form at ``/form`` and a page at ``/page``, which keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []

        async def page(asked: Asked) -> Answer:
            self.asked.append(asked)
            return Answer(b"page\n")

        clock: Any = Clock()
        routes = [Route("GET", "/page", page), Route("GET", "/", page), Route("POST", "/form", page, 100)]
        self.site = RoutedSite(routes, clock, Rations(Limits(), clock.seconds), most=4)

    def send(self, *pieces: bytes) -> Any:
        channel: Any = self.site.buildProtocol(None)
        channel.makeConnection(transport := Transport())
        with capturedLogs() as logged:
            for piece in pieces:
                channel.dataReceived(piece)
        assert not logged
        return transport

    def answers(self, *pieces: bytes) -> list[bytes]:
        """The status codes of all answers."""
        return re.findall(rb"^HTTP/1\.[01] (\d+) ", self.send(*pieces).value(), re.MULTILINE)


@pytest.mark.parametrize(
    "head",
    [
        b"Host: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n",
        b"Host: a\r\nContent-Length: 4\r\nContent-Length: 4\r\n",
        b"Host: a\r\nContent-Length: 4, 5\r\n",
        b"Host: a\r\nContent-Length: +4\r\n",
        b"Host: a\r\nContent-Length: 4 4\r\n",
        b"Host: a\r\nContent-Length: " + b"9" * 5000 + b"\r\n",
        b"Host: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        b"Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        b"Host: a\r\nContent-Length: 4\r\nTransfer-Encoding: identity\r\n",
        b"Host: a\r\nTransfer-Encoding: identity\r\nContent-Length: 4\r\n",
        b"Host: a\r\nTransfer-Encoding: identity\r\n",
        b"Host: a\r\nTransfer-Encoding: identity, chunked\r\n",
        b"Host: a\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        b"Host: a\r\nTransfer-Encoding: gzip, chunked\r\n",
        b"Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"Host: a\r\nTransfer-Encoding : chunked\r\n",
        b"Host: a\r\nTransfer-Encoding:\x0bchunked\r\n",
        b"Host: a\r\nHost: b\r\nContent-Length: 4\r\n",
        b"Host: a\r\nHost: a\r\nContent-Length: 4\r\n",
        b"Content-Length: 4\r\n",
        b"Host: a b\r\nContent-Length: 4\r\n",
        b"Host: a/b\r\nContent-Length: 4\r\n",
        b"Host: x@a\r\nContent-Length: 4\r\n",
        b"Host: a\r\nX: 1\r\n 2\r\nContent-Length: 4\r\n",
        b"Host: a\r\nX: 1\r\n\tContent-Length: 4\r\n",
        b" Host: a\r\nHost: a\r\nContent-Length: 4\r\n",
        b"Host: a\r\nno colon\r\nContent-Length: 4\r\n",
        b"Host: a\r\nX: 1\nContent-Length: 4\r\n",
    ],
)
@pytest.mark.parametrize("behind", [b"", b"X: y\r\n"], ids=["last", "in between"])
def test_a_head_that_can_be_read_in_two_ways_is_answered_400_and_nothing_is_done(head: bytes, behind: bytes) -> None:
    request = b"POST /form HTTP/1.1\r\n" + FORM + head + behind + b"\r\n"
    rest = b"4\r\na=bc\r\n0\r\n\r\nGET /page HTTP/1.1\r\nHost: a\r\n\r\n"
    for pieces in ((request + rest,), (request, rest)):
        web = Web()
        assert web.answers(*pieces) == [b"400"]
        assert not web.asked


def test_http_1_0_has_no_chunks_and_needs_no_host() -> None:
    web = Web()
    assert web.answers(b"GET /page HTTP/1.0\r\n\r\n") == [b"200"]
    assert web.answers(b"GET /page HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n") == [b"400"]
    chunks = b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
    assert web.answers(b"POST /form HTTP/1.0\r\nHost: a\r\n" + FORM + chunks) == [b"400"]
    assert len(web.asked) == 1


def test_chunks_in_any_case_and_an_empty_host_are_sound() -> None:
    chunks = b"Transfer-Encoding: Chunked\r\n\r\n4\r\na=bc\r\n0\r\n\r\n"
    web = Web()
    assert web.answers(b"POST /form HTTP/1.1\r\nHost:\r\n" + FORM + chunks) == [b"200"]
    assert web.asked[0].body == b"a=bc"
    assert web.answers(b"GET /page HTTP/1.1\r\nHost: [2001:db8::1]:8443\r\n\r\n") == [b"200"]


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"https://mail.example.org:8443/page?x=1", "/page", "1"),
        (b"HTTP://mail.example.org:8443/page?x=2", "/page", "2"),
        (b"http://mail.example.org:8443", "/", ""),
        (b"http://mail.example.org:8443?x=3", "/", "3"),
    ],
)
def test_the_absolute_form_of_a_target_is_accepted_and_its_host_counts(target: bytes, path: str, query: str) -> None:
    web = Web()
    assert web.answers(b"GET " + target + b" HTTP/1.1\r\nHost: evil.example\r\n\r\n") == [b"200"]
    (asked,) = web.asked
    assert (asked.path, asked.query.get("x"), asked.host) == (path, query, "mail.example.org:8443")


@pytest.mark.parametrize(
    "target", [b"http://x@a/page", b"ftp://a/page", b"http:///page", b"http:/page", b"a:443", b"*"]
)
def test_other_targets_lead_nowhere(target: bytes) -> None:
    web = Web()
    assert web.answers(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n") == [b"404"]
    assert not web.asked


def test_a_method_is_compared_in_its_case() -> None:
    web = Web()
    for method in (b"get", b"Get", b"head", b"post"):
        path = b"/form" if method == b"post" else b"/page"
        assert web.answers(method + b" " + path + b" HTTP/1.1\r\nHost: a\r\n\r\n") == [b"405"]
    assert not web.asked


def test_a_body_that_breaks_off_in_the_midst_of_an_answer_ends_the_connection_without_a_word() -> None:
    async def pieces() -> AsyncGenerator[bytes, None]:
        yield b"begun"
        await Deferred()

    async def at_once(asked: Asked) -> Stream:
        return Stream(pieces())

    web, clock = Web(), Clock()
    timer: Any = clock
    routes = [Route("PUT", "/pieces", at_once, 1000, pieces=True)]
    web.site = RoutedSite(routes, timer, Rations(Limits(), clock.seconds), most=4)
    head = b"PUT /pieces HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    transport = web.send(head, b"no chunk\r\n")
    assert transport.value().count(b"HTTP/1.1 ") == 1
    assert b"begun" in transport.value()
    assert transport.aborted
