"""A site for people: what a path leads to, how large a form may be, and what every answer tells a browser."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from mpcontinuity.model.errors import Refused, Temporary
from mpcontinuity.model.rations import BATCH, Rations
from mpcontinuity.model.settings import Limits
from mpcontinuity.web.answers import PIECE, Answer
from mpcontinuity.web.asked import Asked
from mpcontinuity.web.routes import Route, RoutedSite
from tests.web.test_pages import Transport

FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"


class Web:
    """A site with ``/door/…``, which has a form of up to 100 octets, and ``/plain``, which has none."""

    def __init__(self, limits: Limits = Limits()) -> None:  # noqa: B008
        self.asked: list[Asked] = []

        async def page(asked: Asked) -> Answer:
            self.asked.append(asked)
            return Answer(b"page\n")

        async def broken(asked: Asked) -> Answer:
            raise RuntimeError("broken")

        clock: Any = Clock()
        self.clock = clock
        self.rations = Rations(limits, clock.seconds)

        async def large(asked: Asked) -> Answer:
            return Answer(b"x" * (3 * PIECE + 1))

        async def away(asked: Asked) -> Answer:
            raise Temporary("the disk is full")

        async def refused(asked: Asked) -> Answer:
            raise Refused("x.org: no such domain", "unknown")

        routes = [
            Route("GET", "/door/<secret>", page),
            Route("POST", "/door/<secret>", page, 100),
            Route("GET", "/plain", page),
            Route("GET", "/broken/<token>", broken),
            Route("GET", "/large", large),
            Route("GET", "/away", away),
            Route("GET", "/refused", refused),
        ]
        proxies = [ip_network("192.168.1.0/24")]
        self.site = RoutedSite(routes, clock, self.rations, most=4, proxies=proxies)

    def ask(self, request: bytes) -> Any:
        channel = self.site.buildProtocol(None)
        assert channel is not None
        transport = Transport()
        channel.makeConnection(transport)
        channel.dataReceived(request)
        return transport

    def answer(self, line: bytes, headers: bytes = b"", body: bytes | None = None) -> bytes:
        length = b"" if body is None else b"Content-Length: %d\r\n" % len(body)
        request = line + b" HTTP/1.1\r\nHost: evil.example\r\n" + headers + length + b"\r\n" + (body or b"")
        return bytes(self.ask(request).value())


def test_a_path_leads_to_its_page_with_what_is_behind_it() -> None:
    web = Web()
    assert web.answer(b"GET /door/secret?x=1").startswith(b"HTTP/1.1 200 ")
    assert web.answer(b"GET /plain").endswith(b"\r\n\r\npage\n")
    assert [dict(asked.parts) for asked in web.asked] == [{"secret": "secret"}, {}]
    assert web.asked[0].query.get("x") == "1"


@pytest.mark.parametrize(
    "path", [b"/", b"/door", b"/door/a/b", b"/plain/x", b"/door/%FF", b"/door/%00", b"//door/x", b"door/x", b"*"]
)
def test_any_other_path_is_404(path: bytes) -> None:
    web = Web()
    assert web.answer(b"GET " + path).startswith(b"HTTP/1.1 404 ")
    assert not web.asked


def test_every_answer_forbids_scripts_frames_sniffing_keeping_and_telling_where_one_came_from() -> None:
    web = Web()
    for line in (b"GET /door/x", b"GET /none", b"DELETE /plain", b"GET /broken/x"):
        answer = web.answer(line).lower()
        assert b"content-security-policy: default-src 'none';" in answer
        assert b"frame-ancestors 'none'" in answer
        assert b"unsafe" not in answer
        for field in (
            b"referrer-policy: same-origin",
            b"x-content-type-options: nosniff",
            b"x-frame-options: deny",
            b"cache-control: no-store",
        ):
            assert field in answer


def test_a_form_is_read_and_its_fields_are_given() -> None:
    web = Web()
    assert web.answer(b"POST /door/secret", FORM, b"password=s%20x&again=").startswith(b"HTTP/1.1 200 ")
    form = web.asked[0].form
    assert {name: form.get(name) for name in form} == {"password": "s x", "again": ""}


@pytest.mark.parametrize(
    ("line", "size", "code"),
    [
        (b"POST /door/x", 100, b"200"),
        (b"POST /door/x", 101, b"413"),
        (b"POST /plain", 1, b"413"),
        (b"GET /door/x", 1, b"413"),
    ],
)
def test_how_large_a_body_may_be_is_up_to_the_route(line: bytes, size: int, code: bytes) -> None:
    for headers in (FORM, FORM + b"Expect: 100-continue\r\n"):
        web = Web()
        body = b"a=" + b"b" * size
        answer = web.answer(line, headers, body[:size])
        assert answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").startswith(b"HTTP/1.1 " + code)
        chunked = web.ask(
            line
            + b" HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
            + headers
            + b"\r\n%x\r\n%s\r\n0\r\n\r\n" % (size, body[:size])
        ).value()
        assert b"HTTP/1.1 " + code in chunked


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        (b"Content-Type: multipart/form-data; boundary=x\r\n", b"--x--", b"415"),
        (b"Content-Type: application/json\r\n", b"{}", b"415"),
        (b"", b"a=b", b"415"),
        (FORM, b"a=%FF", b"400"),
    ],
)
def test_what_is_no_form_is_refused_and_reaches_no_page(headers: bytes, body: bytes, code: bytes) -> None:
    web = Web()
    assert web.answer(b"POST /door/x", headers, body).startswith(b"HTTP/1.1 " + code)
    assert not web.asked


def test_other_methods_are_refused_with_those_that_there_are() -> None:
    web = Web()
    assert b"Allow: GET, HEAD\r\n" in web.answer(b"POST /plain")
    assert b"Allow: GET, HEAD, POST\r\n" in web.answer(b"PUT /door/x")
    assert not web.asked


def test_what_is_behind_a_path_is_not_logged_where_a_page_fails() -> None:
    with capturedLogs() as logged:
        assert Web().answer(b"GET /broken/secret").startswith(b"HTTP/1.1 500 ")
    (event,) = logged
    assert event["page"] == repr("/broken/<token>")
    assert "secret" not in str({name: value for name, value in event.items() if name != "log_failure"})


def test_a_host_that_asks_too_much_is_told_to_come_again() -> None:
    web = Web(Limits(commands_per_minute=BATCH))
    transport = web.ask(b"GET /plain HTTP/1.1\r\nHost: a\r\n\r\n" * (3 * BATCH + 1))
    web.clock.advance(0)
    answers = transport.value()
    assert b"HTTP/1.1 429 " in answers
    assert b"\r\nretry-after: 60\r\n" in answers[answers.index(b"HTTP/1.1 429 ") :].lower()
    assert len(web.asked) <= 3 * BATCH


def test_a_large_answer_is_written_in_pieces_and_is_whole() -> None:
    head, _, body = Web().answer(b"GET /large").partition(b"\r\n\r\n")
    assert b"Content-Length: %d" % (3 * PIECE + 1) in head
    assert b"chunked" not in head.lower()
    assert body == b"x" * (3 * PIECE + 1)


def test_what_cannot_be_done_now_and_what_is_refused_are_told_and_no_more() -> None:
    answer = Web().answer(b"GET /away")
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 30\r\n" in answer
    assert b"disk" not in answer
    answer = Web().answer(b"GET /refused")
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"X.org: no such domain." in answer


def test_only_cookies_that_no_other_host_can_have_set_are_read() -> None:
    web = Web()
    web.answer(b"GET /plain", b"Cookie: a=1; __Host-b=2; __Secure-c=3; __Host-b=4; d; =e\r\n")
    assert web.asked[0].cookies == {"b": "2", "c": "3"}


@pytest.mark.parametrize(
    ("peer", "said", "believed"),
    [
        ("192.168.1.1", b"203.0.113.7", "203.0.113.7"),
        ("192.168.1.1", b"198.51.100.1, 203.0.113.7, 192.168.1.2", "203.0.113.7"),
        ("192.168.1.1", b"203.0.113.7, nonsense", "192.168.1.1"),
        ("192.168.1.1", b"", "192.168.1.1"),
        ("192.0.2.1", b"203.0.113.7", "192.0.2.1"),
    ],
)
def test_who_asks_is_said_by_proxies_of_ours_alone(peer: str, said: bytes, believed: str) -> None:
    web = Web()
    channel: Any = web.site.buildProtocol(None)
    channel.makeConnection(Transport())
    channel.peer = peer
    channel.dataReceived(b"GET /plain HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: " + said + b"\r\n\r\n")
    assert web.asked[0].peer == believed
