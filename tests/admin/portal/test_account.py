"""One's own account, other administrators, and tokens: what is changed there, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mpcontinuity.accounts import totp
from tests.admin.portal.browser import Browser, Portal
from tests.control.conftest import Call
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result

KEY = re.compile(r"Key: <code>([A-Z2-7 ]+)</code>")
ACCOUNT, ADMINISTRATORS, TOKENS = "/admin/account", "/admin/administrators", "/admin/tokens"


def signed_in(browser: Browser) -> bool:
    return browser.get("/admin/").code == 200


def key_of(page: str) -> str:
    found = KEY.search(page)
    assert found is not None
    return found[1].replace(" ", "")


@pytest.mark.parametrize("name", ["rita", "olga"])
def test_ones_own_password_is_changed_with_the_old_one_and_other_browsers_are_signed_out(
    portal: Portal, name: str
) -> None:
    browser, other = Browser(portal), Browser(portal)
    for each in (browser, other):
        each.log_in(name, f"{name}'s own")
    form = {"old": f"{name}'s own", "password": "another one", "again": "another one"}
    shown = browser.send(f"{ACCOUNT}/password", ACCOUNT, **{**form, "again": "something else"})
    assert (shown.code, "The two passwords are not the same." in shown.page) == (400, True)
    shown = browser.send(f"{ACCOUNT}/password", ACCOUNT, **{**form, "old": "a guess"})
    assert (shown.code, "The present password is wrong" in shown.page) == (400, True)
    shown = browser.send(f"{ACCOUNT}/password", ACCOUNT, **{**form, "password": "short", "again": "short"})
    assert (shown.code, "too short" in shown.page) == (400, True)
    assert signed_in(other)
    before = dict(browser.cookies)
    assert browser.send(f"{ACCOUNT}/password", ACCOUNT, **form).location == ACCOUNT
    assert browser.cookies != before
    assert "The password is changed." in browser.get(ACCOUNT).page
    assert "The password is changed." not in browser.get(ACCOUNT).page
    assert not signed_in(other)
    assert Browser(portal).log_in(name, f"{name}'s own").code == 403
    assert Browser(portal).log_in(name, "another one").code == 303


def test_a_second_factor_is_set_up_and_removed_with_the_password(
    portal: Portal, rita: Browser, clock: ManualClock
) -> None:
    other = Browser(portal)
    other.log_in("rita", "rita's own")
    assert rita.send(f"{ACCOUNT}/totp", ACCOUNT, password="a guess").code == 400
    shown = rita.send(f"{ACCOUNT}/totp", ACCOUNT, password="rita's own")
    key, form = key_of(shown.page), shown.hidden(f"{ACCOUNT}/totp/confirm")
    assert 'src="data:image/svg+xml' in shown.page
    again = rita.post(f"{ACCOUNT}/totp/confirm", {**form, "code": "no code"})
    assert (again.code, "The code is wrong" in again.page, key_of(again.page)) == (400, True, key)
    done = rita.post(f"{ACCOUNT}/totp/confirm", {**form, "code": totp.code(key, totp.step_of(clock.now()))})
    codes = re.findall(r"<li>([a-z2-7-]{19})</li>", done.page)
    assert len(codes) == 10
    assert signed_in(rita)
    assert not signed_in(other)
    assert "10 recovery codes left" in rita.get(ACCOUNT).page
    other.log_in("rita", "rita's own")
    assert other.send("/admin/login/code", "/admin/login", code=codes[0]).location == "/admin/"
    assert rita.send(f"{ACCOUNT}/totp/remove", ACCOUNT, password="a guess").code == 400
    assert rita.send(f"{ACCOUNT}/totp/remove", ACCOUNT, password="rita's own").location == ACCOUNT
    assert signed_in(rita)
    assert not signed_in(other)
    assert other.log_in("rita", "rita's own").location == "/admin/"


def test_browsers_are_listed_and_signed_out(portal: Portal, rita: Browser) -> None:
    other = Browser(portal)
    other.log_in("rita", "rita's own")
    page = rita.get(ACCOUNT).page
    assert page.count(">Browser/1<") == 2
    assert page.count("this one") == 1
    form = rita.get(ACCOUNT).hidden(f"{ACCOUNT}/sessions")
    assert rita.post(f"{ACCOUNT}/sessions", form).location == ACCOUNT
    assert (signed_in(rita), signed_in(other)) == (True, False)
    other.log_in("rita", "rita's own")
    everywhere = {"csrf": form["csrf"]}
    assert rita.post(f"{ACCOUNT}/sessions", everywhere).location == "/admin/login"
    assert (signed_in(rita), signed_in(other)) == (False, False)


def test_an_administrator_is_added_helped_and_removed(portal: Portal, rita: Browser) -> None:
    form = {"name": "eve", "domain": "x.org", "password": "eve's own", "again": "eve's own"}
    shown = rita.send(ADMINISTRATORS, **{**form, "again": "something else"})
    assert (shown.code, 'value="eve"' in shown.page) == (400, True)
    shown = rita.send(ADMINISTRATORS, **{**form, "name": "no name"})
    assert (shown.code, 'id="name-error"' in shown.page) == (400, True)
    assert rita.send(ADMINISTRATORS, **form).location == ADMINISTRATORS
    shown = rita.send(ADMINISTRATORS, **form)
    assert (shown.code, "is an administrator already" in shown.page) == (400, True)
    eve = Browser(portal)
    eve.log_in("eve", "eve's own")
    one = f"{ADMINISTRATORS}/eve"
    form = {"password": "another one", "again": "another one"}
    assert rita.send(f"{one}/password", one, **form).location == one
    assert not signed_in(eve)
    eve.log_in("eve", "another one")
    assert rita.send(f"{one}/sessions", one).location == one
    assert not signed_in(eve)
    eve.log_in("eve", "another one")
    assert rita.send(f"{one}/remove", one).location == ADMINISTRATORS
    assert not signed_in(eve)
    assert rita.get(one).code == 404


def test_the_last_administrator_of_all_domains_stays(rita: Browser) -> None:
    one = f"{ADMINISTRATORS}/rita"
    shown = rita.send(f"{one}/remove", one)
    assert (shown.code, "is the only administrator of all domains" in shown.page) == (400, True)


def test_a_token_is_shown_once_and_good_for_what_was_chosen(portal: Portal, rita: Browser, call: Call) -> None:
    shown = rita.send(TOKENS, administrator="rita")
    assert (shown.code, "Choose at least one scope." in shown.page) == (400, True)
    form: dict[str, Any] = {"administrator": "rita", "scope": ["mail", "read"], "domain": "x.org", "expires": "90d"}
    shown = rita.send(TOKENS, **{**form, "expires": "soon"})
    assert (shown.code, 'id="expires-error"' in shown.page, 'value="soon"' in shown.page) == (400, True, True)
    shown = rita.send(TOKENS, **form)
    found = re.search(r'<code id="made">([a-z2-7]{48})</code>', shown.page)
    assert found is not None
    administrator = result(portal.login.by_token(found[1], "192.0.2.1"))
    assert administrator is not None
    assert (administrator.domain, administrator.scopes) == ("x.org", frozenset({"mail", "read"}))
    assert found[1] not in rita.get(TOKENS).page
    assert rita.send(f"{TOKENS}/remove", TOKENS).location == f"{TOKENS}?administrator=rita"
    assert call("admin token list", name="rita") == []


@pytest.mark.parametrize("path", [ADMINISTRATORS, f"{ADMINISTRATORS}/rita", f"{ADMINISTRATORS}/oscar", TOKENS])
def test_an_administrator_of_a_domain_sees_no_others(olga: Browser, path: str) -> None:
    shown = olga.get(path)
    assert shown.code == 403
    assert "/admin/administrators" not in olga.get("/admin/").page


@pytest.mark.parametrize(
    "path",
    [
        ADMINISTRATORS,
        f"{ADMINISTRATORS}/rita/password",
        f"{ADMINISTRATORS}/oscar/password",
        f"{ADMINISTRATORS}/oscar/totp/remove",
        f"{ADMINISTRATORS}/oscar/sessions",
        f"{ADMINISTRATORS}/oscar/remove",
        TOKENS,
        f"{TOKENS}/remove",
    ],
)
def test_an_administrator_of_a_domain_changes_no_others(olga: Browser, call: Call, path: str) -> None:
    form = {
        **olga.get(ACCOUNT).hidden(f"{ACCOUNT}/password"),
        "name": "eve",
        "password": "another one",
        "again": "another one",
        "administrator": "rita",
        "scope": "admin",
        "id": "0" * 13,
    }
    before = (call("admin list"), call("admin token list", name="rita"))
    assert olga.post(path, form).code == 403
    assert (call("admin list"), call("admin token list", name="rita")) == before


def test_a_session_of_somebody_else_is_not_ended_by_its_id(portal: Portal, olga: Browser, call: Call) -> None:
    oscar = Browser(portal)
    oscar.log_in("oscar", "oscar's own")
    (row,) = [row for row in call("admin session list") if row["name"] == "oscar"]
    form = {**olga.get(ACCOUNT).hidden(f"{ACCOUNT}/password"), "id": row["id"]}
    assert olga.post(f"{ACCOUNT}/sessions", form).code == 404
    assert signed_in(oscar)
