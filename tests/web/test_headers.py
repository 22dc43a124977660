"""What a browser is told beside an answer, which each route says for itself."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock

from mpcontinuity.model.rations import Rations
from mpcontinuity.model.settings import Limits
from mpcontinuity.web.answers import HTML, Answer
from mpcontinuity.web.asked import Asked
from mpcontinuity.web.headers import DATA, DOCUMENT, PAGES, PAGES_WITH_DOCUMENT, Guards
from mpcontinuity.web.routes import Route, RoutedSite
from tests.web.test_pages import Transport


async def page(asked: Asked) -> Answer:
    return Answer(b"<p>", content_type=HTML)


def fields(path: str, *, method: str = "GET", rest: str = "", **guards: Guards) -> dict[str, str]:
    """Returns the header fields of the answer, below the status line."""
    clock: Any = Clock()
    routes = [Route("GET", "/mail/<int:number>", page)]
    routes += [Route("GET", f"/mail/{name}", page, guards=each) for name, each in guards.items()]
    routes += [Route("POST", f"/mail/{name}", page, longest=9, guards=each) for name, each in guards.items()]
    channel = RoutedSite(routes, clock, Rations(Limits(), clock.seconds), most=9).buildProtocol(None)
    channel.makeConnection(transport := Transport())
    channel.dataReceived(f"{method} {path} HTTP/1.1\r\nHost: a\r\n{rest or chr(13) + chr(10)}".encode())
    status, _, head = transport.value().partition(b"\r\n\r\n")[0].decode().partition("\r\n")
    return {"": status, **{line.partition(": ")[0].lower(): line.partition(": ")[2] for line in head.split("\r\n")}}


def test_a_strangers_document_is_in_a_sandbox_which_only_our_own_pages_frame() -> None:
    document = fields("/mail/document", document=DOCUMENT)
    policy = document["content-security-policy"].split("; ")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'self'" in policy
    assert "sandbox allow-popups allow-popups-to-escape-sandbox" in policy
    assert not any(part.startswith("script-src") for part in policy)
    assert document["x-frame-options"] == "SAMEORIGIN"
    assert document["referrer-policy"] == "no-referrer"
    frame = fields("/mail/frame", frame=PAGES_WITH_DOCUMENT)
    usual = fields("/mail/1")
    assert frame.pop("content-security-policy") == f"{usual.pop('content-security-policy')}; frame-src 'self'"
    assert frame == usual


def test_where_there_is_no_route_the_first_neighbour_says_what_a_browser_is_told() -> None:
    lost = fields("/mail/none/none", document=DOCUMENT)
    assert lost[""] == "HTTP/1.1 404 Not Found"
    assert lost["content-security-policy"] == fields("/mail/1")["content-security-policy"]


def test_guards_that_differ_in_a_directive_are_otherwise_those_of_before() -> None:
    mine = PAGES.but({"worker-src": "'self'", "script-src": "'none'"}, {b"x-robots-tag": b"all"})
    policy = mine.sent[b"content-security-policy"].decode()
    assert policy.endswith("; worker-src 'self'")
    assert "script-src 'none'" in policy
    assert mine.sent[b"x-robots-tag"] == b"all"
    assert mine.sent[b"x-frame-options"] == b"DENY"
    assert "worker-src" not in PAGES.policy


def test_a_page_with_guards_of_its_own_takes_forms_alone_and_data_takes_what_it_likes() -> None:
    body = "Content-Type: text/plain\r\nContent-Length: 1\r\n\r\nx"
    answers = fields("/mail/frame", method="POST", rest=body, frame=PAGES_WITH_DOCUMENT)
    assert answers[""].startswith("HTTP/1.1 415 ")
    assert fields("/mail/data", method="POST", rest=body, data=DATA)[""].startswith("HTTP/1.1 200 ")
