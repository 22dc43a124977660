"""The archive as pages: what is found and shown, to whom, what is released, held and taken away as files."""

from __future__ import annotations

import mailbox
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from mpcontinuity.accounts import domains
from mpcontinuity.delivery.release import Released, Way
from mpcontinuity.model.reply import Reply
from mpcontinuity.store.store import Store
from tests.admin.portal.browser import Browser, Portal
from tests.archive.archived import archive, text
from tests.control.conftest import Call
from tests.fakes.stores import result

PAGE = "/admin/archive"
HOLDS = f"{PAGE}/holds"
HOSTILE = "<script>alert(1)</script> \u202egpj.exe"


def _domain(store: Store, name: str) -> int:
    return result(store.read(lambda tx: domains.known(tx, name))).id


@pytest.fixture
def kept(portal: Portal, store: Store, call: Call) -> list[str]:
    """The ids of two messages of x.org and one of y.org, the newest first."""
    for address in ("anna@x.org", "anna@y.org"):
        call("user add", address=address)
    bodies = "annual report\r\nFrom here on\r\n"
    archive(store, text("first", bodies), recipients=["anna@x.org"], domain=_domain(store, "x.org"))
    hostile = text("second").replace(b"Subject: second", f"Subject: {HOSTILE}".encode())
    archive(store, hostile, recipients=["anna@x.org"], domain=_domain(store, "x.org"))
    archive(store, text("theirs"), recipients=["anna@y.org"], domain=_domain(store, "y.org"))
    return [row["id"] for row in call("archive search")]


def test_nothing_is_looked_for_until_it_is_asked_for(rita: Browser, kept: list[str], call: Call) -> None:
    before = call("audit")
    assert "Type what you look for." in rita.get(PAGE).page
    assert call("audit") == before
    page = rita.get(f"{PAGE}?query=").page
    assert all(f'href="{PAGE}/{id_}"' in page for id_ in kept)
    assert "archive search" in str(call("audit")[0])


def test_what_a_query_finds_is_shown_harmless(rita: Browser, kept: list[str]) -> None:
    page = rita.get(f"{PAGE}?query=report+since:7d").page
    assert page.count('name="id" value="') == 1
    page = rita.get(f"{PAGE}?query=-report&user=anna@x.org").page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; \\u202egpj.exe" in page
    assert "\u202e" not in page
    assert "Nothing is found." in rita.get(f"{PAGE}?query=unheard").page
    for field, value in (("query", "larger:huge"), ("since", "soon"), ("until", "soon"), ("user", "nobody")):
        shown = rita.get(f"{PAGE}?{urlencode({'query': '', field: value})}")
        assert (shown.code, f'id="{field}-error"' in shown.page) == (400, True), field
        assert f'value="{value}"' in shown.page


def test_an_administrator_of_a_domain_finds_and_opens_its_own_alone(olga: Browser, kept: list[str]) -> None:
    theirs = kept[0]
    assert "theirs" not in olga.get(f"{PAGE}?query=").page
    assert olga.get(f"{PAGE}?query=&domain=y.org").code == 403
    assert olga.get(f"{PAGE}.mbox?query=&domain=y.org").code == 403
    for path in (f"{PAGE}/{theirs}", f"{PAGE}/{theirs}/message.eml"):
        assert olga.get(path).code == 403
    token = olga.get("/admin/account").hidden("/admin/account/password")
    assert olga.post(PAGE, {**token, "id": theirs}).code == 403
    assert olga.post(f"{PAGE}/{theirs}", token).code == 403
    assert olga.post(f"{PAGE}/found", {**token, "query": "x", "domain": "y.org"}).code == 403
    assert olga.post(HOLDS, {**token, "user": "anna@y.org"}).code == 403


def test_a_message_is_shown_by_its_header_and_given_as_a_file(rita: Browser, kept: list[str]) -> None:
    shown = rita.get(f"{PAGE}/{kept[2]}").page
    assert "From: Anna Berg &lt;anna@x.example&gt;" in shown
    assert "annual report" not in shown
    given = rita.get(f"{PAGE}/{kept[2]}/message.eml")
    assert f'filename="{kept[2]}.eml"'.encode() in given.head
    assert "\r\n\r\nannual report\r\nFrom here on\r\n" in given.page
    page = rita.get(f"{PAGE}/{kept[1]}").page
    assert "<script>alert" not in page
    assert "\u202e" not in page
    for wrong in ("x", "0" * 13):
        assert rita.get(f"{PAGE}/{wrong}").code in (400, 404)
        assert rita.get(f"{PAGE}/{wrong}/message.eml").code in (400, 404)


def test_what_is_found_is_given_as_an_mbox(rita: Browser, kept: list[str], tmp_path: Path) -> None:
    (tmp_path / "mbox").write_text(rita.get(f"{PAGE}.mbox?query=&domain=x.org").page)
    messages = list(mailbox.mbox(tmp_path / "mbox"))
    assert len(messages) == 2
    assert messages[0]["subject"] == "first"
    assert ">From here on" in messages[0].get_payload()
    assert rita.get(f"{PAGE}.mbox?query=larger:huge").code == 400


def test_a_release_without_a_server_is_refused_and_keeps_what_was_typed(rita: Browser, kept: list[str]) -> None:
    token = rita.get("/admin/account").hidden("/admin/account/password")
    for path, form in ((PAGE, {"id": kept[2]}), (f"{PAGE}/found", {}), (f"{PAGE}/{kept[2]}", {})):
        shown = rita.post(path, {**token, "query": "report", "to": "anna@x.org", **form})
        assert shown.code == 400, path
        assert "Only a running server can release mail." in shown.page
        assert 'value="anna@x.org"' in shown.page
    shown = rita.post(PAGE, {**token, "query": "report"})
    assert (shown.code, "Choose messages first." in shown.page) == (400, True)


@pytest.fixture
def home(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """To whom messages were handed in at a home server, which refuses some."""
    to: list[str] = []

    async def hand_in(delivery: Any, content: Any, sender: Any, recipient: Any, mark: str, *, owes: bool) -> Released:
        to.append(recipient.text)
        refuses = recipient.text.startswith("bert")
        reply = Reply(550, "5.1.1", "no <b>such</b> user") if refuses else Reply(250, "2.0.0", "queued as 4711")
        return Released(Way.REFUSED if refuses else Way.HOME, reply)

    monkeypatch.setattr("mpcontinuity.control.archived.hand_in", hand_in)
    services: Any = portal.control
    monkeypatch.setattr("mpcontinuity.control.archived.running", lambda control: services)
    monkeypatch.setattr("mpcontinuity.control.releasing.running", lambda control: services)
    return to


def test_a_release_shows_what_home_answered(rita: Browser, kept: list[str], home: list[str], call: Call) -> None:
    call("user add", address="bert@x.org")
    token = rita.get("/admin/account").hidden("/admin/account/password")
    sent = rita.post(PAGE, {**token, "query": "", "id": [kept[1], kept[2]]})
    assert (sent.code, sent.location.rpartition("/")[0]) == (303, f"{PAGE}/released")
    for _ in range(2):  # it may be loaded again, and releases nothing by that
        shown = rita.get(sent.location)
        assert (shown.code, shown.page.count("queued as 4711")) == (200, 2)
    shown = rita.get(rita.post(f"{PAGE}/{kept[2]}", {**token, "to": "bert@x.org"}).location)
    assert "no &lt;b&gt;such&lt;/b&gt; user" in shown.page
    shown = rita.post(f"{PAGE}/{kept[2]}", {**token, "to": "anna@y.org"})
    assert (shown.code, 'id="to-error"' in shown.page) == (400, True)
    assert home == ["anna@x.org", "anna@x.org", "bert@x.org"]


def test_all_that_is_found_is_released_once(rita: Browser, olga: Browser, kept: list[str], home: list[str]) -> None:
    token = olga.get("/admin/account").hidden("/admin/account/password")
    search = {**token, "query": "since:7d", "domain": "x.org"}
    sent = olga.post(f"{PAGE}/found", search)
    shown = olga.get(sent.location)
    assert "2 went home" in shown.page
    assert "query=since%3A7d&amp;domain=x.org" in shown.page  # the way back to what was found
    assert rita.get(sent.location).code == 404
    shown = olga.get(olga.post(f"{PAGE}/found", search).location)
    assert "2 had been released before and were left out" in shown.page
    assert "2 went home" in olga.get(olga.post(f"{PAGE}/found", {**search, "again": "yes"}).location).page
    assert home == ["anna@x.org"] * 4
    shown = olga.post(f"{PAGE}/found", {**token, "query": ""})
    assert (shown.code, "a user or a time must be given" in shown.page) == (400, True)


def test_holds_are_made_listed_and_lifted(rita: Browser, olga: Browser, kept: list[str], call: Call) -> None:
    assert "Nothing is on hold." in olga.get(HOLDS).page
    assert 'value="id:x"' in rita.get(f"{HOLDS}?query=id:x").page
    assert olga.send(HOLDS, query="report", note="a <b>case</b>").location == HOLDS
    page = olga.get(HOLDS).page
    assert "1 messages are held until you lift the hold." in page
    assert "a &lt;b&gt;case&lt;/b&gt;" in page
    assert rita.send(HOLDS, user="anna@y.org").location == HOLDS
    assert "anna@y.org" not in olga.get(HOLDS).page
    (mine, all_) = call("archive hold list")
    token = olga.get("/admin/account").hidden("/admin/account/password")
    assert olga.post(f"{HOLDS}/lift", {**token, "id": all_["id"]}).code == 403
    assert olga.post(f"{HOLDS}/lift", {**token, "id": mine["id"]}).location == HOLDS
    assert [row["id"] for row in call("archive hold list")] == [all_["id"]]
    for form in ({}, {"query": "x", "user": "anna@x.org"}, {"query": "larger:huge", "note": "why"}):
        shown = olga.send(HOLDS, **form)
        assert (shown.code, 'id="query-error"' in shown.page) == (400, True), form
        assert all(f'value="{value}"' in shown.page for value in form.values())
