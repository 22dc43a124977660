"""Each route of the portal, called by those whom it is not for: a new page is walked with the others."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mpcontinuity.admin.portal.signed_in import LOGIN
from mpcontinuity.model.errors import Stopping, Temporary
from tests.admin.portal.browser import Browser, Portal
from tests.control.conftest import Call
from tests.control.test_scope import _content
from tests.fakes.stores import result

PART = re.compile(r"<(?:\w+:)?(\w+)>")
# What stands in a path, of another tenant.
THEIRS = {"domain": "y.org", "address": "anna@y.org", "name": "oscar", "user": "anna@y.org"}
AN_ID = "0" * 13
# Who is not signed in yet is answered there, and who has a link.
OPEN = (LOGIN, "/outage/")
# Rows that change because somebody was looked for or refused.
NOTED = ("web_session", "login_failure", "audit", "audit_end")


def paths(portal: Portal, method: str) -> list[str]:
    found = sorted({route.path for route in portal.pages if route.method == method and not route.path.startswith(OPEN)})
    return [PART.sub(lambda part: THEIRS.get(part[1], AN_ID), path) for path in found]


def content(portal: Portal) -> dict[str, list[Any]]:
    rows = result(portal.control.store.read(_content))
    return {table: each for table, each in rows.items() if table not in NOTED}


def test_nobody_sees_a_page_or_sends_a_form_without_a_login(portal: Portal) -> None:
    before, browser = content(portal), Browser(portal)
    for path in paths(portal, "GET"):
        shown = browser.get(path)
        assert (shown.code, shown.location.partition("?")[0]) == (303, "/admin/login"), path
        assert shown.page == ""
    for path in paths(portal, "POST"):
        assert browser.post(path, {"csrf": "x"}).location == "/admin/login", path
    assert content(portal) == before


def test_no_form_counts_without_the_token_of_its_session_or_from_elsewhere(portal: Portal, rita: Browser) -> None:
    before = content(portal)
    token = rita.get("/admin/account").hidden("/admin/account/password")
    for path in paths(portal, "POST"):
        assert rita.post(path, {}).code == 403, path
        assert rita.post(path, {"csrf": token["csrf"][::-1]}).code == 403, path
        assert rita.post(path, token, Sec_Fetch_Site="cross-site", Origin="https://evil.example").code == 403, path
        assert rita.get(path).code in (200, 303, 400, 404, 405), path
    assert content(portal) == before


@pytest.fixture
def theirs(portal: Portal, call: Call) -> None:
    """What y.org has, by words that occur nowhere else."""
    call("user add", address="anna@y.org", name="Secretname")
    call("admin add", name="othello", password="x", domain="y.org")
    call("alert add", domain="y.org", email="secretaddress@far.example")


@pytest.mark.usefixtures("theirs")
def test_an_administrator_of_a_domain_sees_nothing_of_another(portal: Portal, olga: Browser) -> None:
    for path in paths(portal, "GET"):
        shown = olga.get(path)
        assert shown.code in (200, 400, 403, 404), path
        asked = path.partition("?")[0]
        page = shown.page.replace(asked, "")
        assert "Secretname" not in page, path
        assert "secretaddress" not in page, path
        if not any(theirs in path for theirs in THEIRS.values()):
            assert "y.org" not in page, path
            assert "othello" not in page, path
        else:
            assert shown.code in (403, 404), path


@pytest.mark.usefixtures("theirs")
def test_an_administrator_of_a_domain_changes_nothing_of_another(portal: Portal, olga: Browser) -> None:
    before = content(portal)
    token = olga.get("/admin/account").hidden("/admin/account/password")
    form = {**token, "domain": "y.org", "address": "anna@y.org", "administrator": "oscar", "id": AN_ID}
    for path in paths(portal, "POST"):
        if path != "/admin/logout":
            assert olga.post(path, form).code in (200, 303, 400, 403, 404, 409), path
    after = content(portal)
    assert {table: rows for table, rows in after.items() if rows != before[table]} == {}


def test_a_page_that_fails_says_nothing_of_it(portal: Portal, rita: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = Browser(portal)
    for path in ("/admin/nothing", "/admin/%00", "/admin/account/../../etc/passwd", "/static/../../etc/passwd"):
        shown = browser.get(path)
        assert shown.code == 404, path
        assert "Traceback" not in shown.page

    async def broken(secret: str, *, used: bool) -> None:
        raise RuntimeError("no such table: web_session")

    monkeypatch.setattr(portal.sessions, "find", broken)
    shown = rita.get("/admin/")
    assert shown.code == 500
    assert "web_session" not in shown.page


@pytest.mark.parametrize("error", [Temporary("the disk is full"), Stopping("the server shuts down")])
def test_a_store_that_is_away_is_told_with_when_to_come_again(
    portal: Portal, rita: Browser, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def away(*_: object, **__: object) -> None:
        raise error

    form = rita.get("/admin/account").hidden("/admin/account/password")
    login = Browser(portal)
    hidden = login.get("/admin/login").hidden("/admin/login")
    monkeypatch.setattr(portal.control.store, "read", away)
    for shown in (
        rita.get("/admin/"),
        rita.post("/admin/account/password", form),
        login.post("/admin/login", {**hidden, "name": "rita", "password": "rita's own"}),
    ):
        assert shown.code == 503
        assert b"Retry-After" in shown.head
        assert "disk" not in shown.page
