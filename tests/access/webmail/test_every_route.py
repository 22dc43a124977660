"""Each route of webmail, called by those whom it is not for: a new page is walked with the others."""

from __future__ import annotations

import re

from tests.access.webmail.office import BERT, Office
from tests.admin.portal.browser import Browser
from tests.admin.portal.test_every_route import NOTED
from tests.control.test_scope import _content
from tests.fakes.stores import result

_PART = re.compile(r"<(?:[^<>:]+:)?(\w+)>")
# Who is not signed in is answered there; a picture of a message has a path that is a secret of its own.
_OPEN = ("/login", "/images/", "/manifest.webmanifest")


def paths(office: Office, method: str) -> list[str]:
    """With what is Bert's in them."""
    uid = office.put(b"Subject: Bert's own\r\n\r\nprivate\r\n", address=BERT)
    theirs = {"folder": str(office.folder(address=BERT).id), "uid": str(uid)}
    rules = {route.path for route in office.pages if route.method == method and not route.path.startswith(_OPEN)}
    return sorted(_PART.sub(lambda part: theirs.get(part[1], "0" * 13), rule) for rule in rules)


def content(office: Office) -> dict[str, list[object]]:
    rows = result(office.store.read(_content))
    return {table: each for table, each in rows.items() if table not in NOTED}


def test_nobody_sees_a_page_or_sends_a_form_without_a_login(office: Office) -> None:
    gets, posts = paths(office, "GET"), paths(office, "POST")
    before, browser = content(office), office.browser()
    for path in gets:
        shown = browser.get(path)
        assert "private" not in shown.page, path
        if path != "/":
            assert (shown.code, shown.location.partition("?")[0]) == (303, "/login"), path
            assert browser.get(path, Sec_Fetch_Dest="empty").code == 401, path
    for path in posts:
        shown = browser.post(path, {"csrf": "x"})
        assert shown.code == 303 or path.startswith("/write"), path  # what was written is kept (test_write.py)
    assert content(office) == before


def test_no_form_counts_without_the_token_of_its_session_or_from_elsewhere(office: Office, anna: Browser) -> None:
    posts = [path for path in paths(office, "POST") if path != "/logout"]
    before = content(office)
    token = {"csrf": anna.get("/folders").hidden("/folders/create")["csrf"]}
    for path in posts:
        for form, headers in (
            ({}, {}),
            ({"csrf": token["csrf"][::-1]}, {}),
            (token, {"Sec_Fetch_Site": "cross-site", "Origin": "https://evil.example"}),
        ):
            assert anna.post(path, form, **headers).code in (303, 400, 403, 409), path
    assert content(office) == before


def test_nobody_changes_what_is_anothers(office: Office, anna: Browser) -> None:
    """What they are shown of it: test_strangers.py."""
    folder = str(office.folder(address=BERT).id)
    token = {"csrf": anna.get("/folders").hidden("/folders/create")["csrf"]}
    every = [each for each in paths(office, "POST") if f"/{folder}/" in each or "0" * 13 in each]
    assert every
    before = content(office)
    for path in every:
        shown = anna.post(path, {**token, "sure": "1", "name": "x", "uid": "1"})
        assert shown.code in (303, 400, 404), (path, shown.code)
        assert "private" not in shown.page
    assert content(office) == before
