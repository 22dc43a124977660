"""All that a user can come to by the pages, asked for by whoever it is not for: a page that is new is among it."""

from __future__ import annotations

import re
from html import unescape

import pytest

from tests.access.webmail.office import BERT, PASSWORD, Office
from tests.access.webmail.test_conversation import path as conversation
from tests.access.webmail.test_searching import domain
from tests.access.webmail.test_write import LETTER, multipart
from tests.admin.portal.browser import Browser
from tests.archive.archived import archive
from tests.message.display.messages import part, several

_FILE = 'Content-Disposition: attachment; filename="private.txt"\r\n'
_WITHIN = several(
    "mixed",
    part("text/plain", b"private words"),
    part("text/plain", b"private", _FILE),
    part("text/plain", b"private too", _FILE),
    header="From: Bob <bob@x.example>\r\nSubject: Within, private\r\n",
)
MESSAGE = several(
    "mixed",
    part("text/html", b"<p>private</p><img src='cid:p@x'>"),
    part("image/png; name=p.png", b"\x89PNG\r\n\x1a\n", "Content-ID: <p@x>\r\n"),
    part("text/plain", b"private", _FILE),
    part("message/rfc822", _WITHIN),
    header="From: Bob <bob@x.example>\r\nTo: bert@example.org\r\nMessage-ID: <1@x>\r\nSubject: Hello, private\r\n",
)
_ANSWER = b"Subject: Re: private\r\nMessage-ID: <2@x>\r\nReferences: <1@x>\r\n\r\nprivate\r\n"
_LINK = re.compile(r'(?:href|src)="(/[^"#]*)')
# Where each ends it does not matter what is there, and what is everybody's.
_NOT_FOLLOWED = re.compile(r"/(?:static|manifest|logout|login|setup|write\?(?:reply|forward)|images|mail/\d+/\?)")
_PART = re.compile(r"<(?:(int)[^<>]*:)?\w+>")


@pytest.fixture
def bert(office: Office) -> Browser:
    """Somebody who has something of all kinds."""
    office.put(MESSAGE, address=BERT)
    office.put(_ANSWER, address=BERT)
    archive(office.store, MESSAGE, recipients=[BERT], domain=domain(office), time=office.clock.now())
    office.clock.advance(10)
    return office.browser(BERT)


@pytest.fixture
def theirs(office: Office, bert: Browser) -> list[str]:
    """The paths of all that Bert sees, as they stand in his pages."""
    inbox = f"/mail/{office.folder(address=BERT).id}/"
    form = {**bert.get("/write").hidden("/write"), **LETTER, "subject": "A private draft"}
    draft = multipart(bert, form, ("private.txt", "text/plain", b"private")).location.partition("=")[2]
    waiting = ["/", "/folders", "/archive/", "/search?q=words", "/outbox", "/settings/", "/phone"]
    waiting += [f"{inbox}?view=conversations", conversation(office, 1, address=BERT), f"/write/{draft}/attachments"]
    waiting += [f"{inbox}rows?from=0", f"/write?reply={inbox.split('/')[2]}.1", f"/write?draft={draft}"]
    found: dict[str, None] = {}
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found[path] = None
        shown = bert.get(path)
        assert shown.code == 200 or (shown.code == 303 and shown.location.startswith("/write?draft=")), path
        for each in map(unescape, _LINK.findall(shown.page)):
            if each.startswith("/images/"):
                found[each] = None
            elif not _NOT_FOLLOWED.match(each):
                waiting.append(each)
    # What scripts and frames of a draft ask for, which this one may not have.
    return [*found, *(f"/write/{draft}/{each}" for each in ("quote", "quote.txt", f"attachments/{'0' * 13}"))]


def rules(office: Office) -> dict[str, re.Pattern[str]]:
    """Those of what is somebody's own, by a part of the path."""
    return {
        route.path: re.compile(_PART.sub(lambda part: r"\d+" if part[1] else "[^/?]+", route.path) + r"(?:\?.*)?")
        for route in office.pages
        if route.method == "GET" and "<" in route.path
    }


def is_own(office: Office, path: str) -> bool:
    return any(rule.fullmatch(path) for rule in rules(office).values()) or path.startswith("/write?")


def test_nobody_but_its_user_is_shown_anything(office: Office, anna: Browser, bert: Browser, theirs: list[str]) -> None:
    reached = {name for name, rule in rules(office).items() if any(rule.fullmatch(path) for path in theirs)}
    assert set(rules(office)) - reached == set()
    assert sum("private" in bert.get(path).page for path in theirs) > len(theirs) / 2
    nobody, other = office.browser(), office.browser(BERT)
    fields = {"current": PASSWORD, "password": "another password", "again": "another password"}
    assert other.send("/settings/password", "/settings/", **fields).code == 303
    for path in theirs:
        if path.startswith("/images/"):  # which is a secret of its own (test_contents.py)
            continue
        if is_own(office, path):
            shown = anna.get(path)
            assert (shown.code, "private" in shown.page) == (404, False), path
        else:
            assert "private" not in anna.get(path).page, path
        for browser in (nobody, bert):  # whose session ended with the password
            assert browser.get(path, Sec_Fetch_Dest="empty").code == (200 if path == "/" else 401), path
            shown = browser.get(path)
            assert "private" not in shown.page, path
            assert path == "/" or (shown.code, shown.location.partition("?")[0]) == (303, "/login"), path
