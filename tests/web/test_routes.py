"""A site for people: what a path leads to, how large a form may be, and what every answer tells a browser."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from mpcontinuity.model.rations import BATCH, Rations
from mpcontinuity.model.settings import Limits
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.routes import Asked, Route, RoutedSite
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
        self.rations = Rations(limits, clock.seconds)
        routes = {b"/door/": Route(page, page, 100), b"/plain": Route(page), b"/broken/": Route(broken)}
        self.site = RoutedSite(routes, clock, self.rations, most=4)

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
    assert [asked.rest for asked in web.asked] == ["secret", ""]


@pytest.mark.parametrize("path", [b"/", b"/door", b"/door/a/b", b"/plain/", b"/plain/x", b"//door/x", b"door/x", b"*"])
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
            b"referrer-policy: no-referrer",
            b"x-content-type-options: nosniff",
            b"x-frame-options: deny",
            b"cache-control: no-store",
        ):
            assert field in answer


def test_a_form_is_read_and_its_fields_are_given() -> None:
    web = Web()
    assert web.answer(b"POST /door/secret", FORM, b"password=s%20x&again=").startswith(b"HTTP/1.1 200 ")
    assert web.asked[0].form == {"password": "s x", "again": ""}


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
    assert event["page"] == repr(b"/broken/")
    assert "secret" not in str({name: value for name, value in event.items() if name != "log_failure"})


def test_a_host_that_asks_too_much_is_told_to_come_again() -> None:
    web = Web(Limits(commands_per_minute=BATCH))
    answers = web.ask(b"GET /plain HTTP/1.1\r\nHost: a\r\n\r\n" * (3 * BATCH + 1)).value()
    assert b"HTTP/1.1 429 " in answers
    assert len(web.asked) <= 3 * BATCH
