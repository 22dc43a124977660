"""The login of the portal, and those who attack it."""

from __future__ import annotations

import re

import pytest

from mpcontinuity.accounts import totp
from mpcontinuity.control.operation import Control
from mpcontinuity.store.statement import Statement
from tests.admin.portal.browser import HOST, Browser, Portal
from tests.control.conftest import Call
from tests.fakes.clock import ManualClock
from tests.fakes.judging import LIMIT
from tests.fakes.stores import result

COOKIE = "__Host-mpc_admin"
SESSIONS = Statement("SELECT whose, step FROM web_session ORDER BY created")
KEY = re.compile(r"Key: <code>([A-Z2-7 ]+)</code>")


def sessions(portal: Portal) -> list[tuple[str, str]]:
    return result(portal.control.store.read(lambda tx: tx.all(SESSIONS)))


def code(key: str, clock: ManualClock) -> str:
    return totp.code(key, totp.step_of(clock.now()))


@pytest.fixture
def strict(portal: Portal, control: Control, clock: ManualClock) -> Portal:
    """The portal that demands a second factor, with the same administrators."""
    return Portal(control, clock, require_totp=True)


def enrolled(portal: Portal, clock: ManualClock) -> str:
    """Signs rita in for the first time, and returns the key of her authenticator."""
    browser = Browser(portal)
    browser.log_in("rita", "rita's own")
    key = KEY.search(browser.get("/admin/login").page)
    assert key is not None
    plain = key[1].replace(" ", "")
    shown = browser.send("/admin/login/enrol", "/admin/login", code=code(plain, clock))
    assert len(re.findall(r"<li>[a-z2-7-]{19}</li>", shown.page)) == 10
    assert browser.get("/admin/").code == 200
    clock.advance(60)
    return plain


def test_who_is_signed_in_goes_where_they_wanted_and_others_to_the_login(portal: Portal) -> None:
    browser = Browser(portal)
    shown = browser.get("/admin/account?x=1")
    assert (shown.code, shown.location) == (303, "/admin/login?next=%2Fadmin%2Faccount%3Fx%3D1")
    shown = browser.log_in("rita", "rita's own", shown.location)
    assert (shown.code, shown.location) == (303, "/admin/account?x=1")
    assert browser.get("/admin/account").code == 200
    assert browser.get("/admin/login").location == "/admin/"
    shown = browser.send("/admin/logout", on="/admin/")
    assert shown.location == "/admin/login"
    assert COOKIE not in browser.cookies
    assert sessions(portal) == []


def test_who_comes_by_a_link_from_elsewhere_arrives_signed_in_and_stays_so(portal: Portal) -> None:
    browser = Browser(portal)
    browser.log_in("rita", "rita's own")
    kept, browser.cookies = browser.cookies, {}  # cookies of ours stay at home (SameSite=Strict)
    elsewhere = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
    shown = browser.get("/admin/account", **elsewhere)
    found = re.search(r'<meta http-equiv="refresh" content="0; url=([^"]+)">', shown.page)
    assert found is not None
    browser.get("/admin/login", **elsewhere)
    browser.cookies = kept | browser.cookies
    assert browser.get(found[1]).location == "/admin/account"
    assert browser.get("/admin/account").code == 200


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "/admin/../..//evil.example",
        "/admin//evil.example",
        "javascript:alert(1)",
        "/elsewhere",
        "/admin/\r\nSet-Cookie: x=y",
        "/admin/\u202e",
        "/admin/" + "a" * 2000,
    ],
)
def test_the_login_leads_to_pages_of_the_portal_alone(portal: Portal, path: str) -> None:
    browser = Browser(portal)
    form = {**browser.get("/admin/login").hidden("/admin/login"), "name": "rita", "password": "rita's own"}
    assert browser.post("/admin/login", {**form, "next": path}).location == "/admin/"


def test_a_wrong_password_and_an_unknown_name_are_told_the_same(portal: Portal) -> None:
    pages = []
    for name in ("rita", "nobody", "x" * 64):
        shown = Browser(portal).log_in(name, "wrong")
        assert shown.code == 403
        pages.append(re.sub(r'value="[^"]*"', "", shown.page))
    assert pages[0] == pages[1] == pages[2]
    assert portal.login.outcomes == {"succeeded": 0, "failed": 3, "throttled": 0}


def test_guesses_are_throttled_with_those_at_other_doors(portal: Portal) -> None:
    browser = Browser(portal)
    for _ in range(2 * LIMIT):
        browser.log_in("rita", "wrong")
    assert portal.court.slept == [1.0, 2.0, 4.0]
    assert browser.log_in("rita", "rita's own").code == 403


def test_without_an_administrator_the_page_says_how_one_is_made_and_nobody_becomes_one(
    control: Control, clock: ManualClock
) -> None:
    browser = Browser(Portal(control, clock))
    assert "mpcontinuity admin add NAME" in browser.get("/admin/login").page
    for name, password in (("admin", "admin"), ("", "")):
        assert browser.log_in(name, password).code == 403
    assert result(control.store.read(lambda tx: tx.all(Statement("SELECT * FROM administrator")))) == []


def test_the_first_login_sets_a_second_factor_up_and_the_next_asks_for_it(strict: Portal, clock: ManualClock) -> None:
    key = enrolled(strict, clock)
    browser = Browser(strict)
    shown = browser.log_in("rita", "rita's own", "/admin/login?next=/admin/account")
    assert shown.location == "/admin/login?next=%2Fadmin%2Faccount"
    assert browser.get("/admin/").location.startswith("/admin/login")
    assert browser.get("/admin/account").code == 303
    form = browser.get(shown.location).hidden("/admin/login/code")
    assert browser.post("/admin/login/code", {**form, "code": "000000"}).code == 403
    assert browser.post("/admin/login/code", {**form, "code": code(key, clock)}).location == "/admin/account"
    assert browser.get("/admin/").code == 200


def test_the_audit_trail_says_who_signed_in_and_who_knew_the_password_alone(
    strict: Portal, clock: ManualClock, call: Call
) -> None:
    key = enrolled(strict, clock)
    browser = Browser(strict)
    browser.log_in("rita", "rita's own")
    for given in ("000000", code(key, clock)):
        browser.send("/admin/login/code", "/admin/login", code=given)
    rows = [(row["by"], row["operation"], row["result"]) for row in call("audit") if row["operation"] == "admin login"]
    assert rows == [
        ("rita", "admin login", "done"),
        ("rita", "admin login", "refused: the code of the second factor is wrong"),
        ("rita", "admin login", "done"),
    ]


def test_nothing_but_the_login_is_reached_before_the_second_factor_is_set_up(strict: Portal) -> None:
    browser = Browser(strict)
    browser.log_in("rita", "rita's own")
    assert sessions(strict) == [("rita", "enrol")]
    shown = browser.get("/admin/login")
    assert browser.get("/admin/").code == 303
    token = shown.hidden("/admin/login/enrol")["csrf"]
    assert browser.post("/admin/tokens", {"csrf": token, "scope": "admin"}).location == "/admin/login"
    assert browser.post("/admin/login/code", {"csrf": token, "code": "000000"}).code == 403
    assert browser.post("/admin/login/enrol", {"csrf": token, "code": "no code"}).code == 403
    assert sessions(strict) == [("rita", "enrol")]


def test_a_code_is_not_taken_twice(strict: Portal, clock: ManualClock) -> None:
    key = enrolled(strict, clock)
    used = code(key, clock)
    codes = []
    for _ in range(2):
        browser = Browser(strict)
        browser.log_in("rita", "rita's own")
        codes.append(browser.send("/admin/login/code", "/admin/login", code=used).code)
    assert codes == [303, 403]


def test_whoever_has_a_second_factor_is_asked_for_it_where_none_is_demanded(
    portal: Portal, strict: Portal, clock: ManualClock
) -> None:
    enrolled(strict, clock)
    browser = Browser(portal)
    assert browser.log_in("rita", "rita's own").location.startswith("/admin/login")
    assert browser.get("/admin/").code == 303


def test_each_step_has_a_secret_of_its_own_and_what_was_put_there_before_is_worth_nothing(
    strict: Portal, clock: ManualClock
) -> None:
    key = enrolled(strict, clock)
    browser = Browser(strict)
    browser.get("/admin/login")
    (form,) = browser.cookies
    browser.cookies = dict.fromkeys((form, COOKIE), "planted-by-somebody-else")  # session fixation
    name = COOKIE
    seen = [browser.cookies[name]]
    browser.log_in("rita", "rita's own")
    seen.append(browser.cookies[name])
    browser.send("/admin/login/code", "/admin/login", code=code(key, clock))
    seen.append(browser.cookies[name])
    assert len(set(seen)) == 3
    for secret in seen[:2]:
        other = Browser(strict)
        other.cookies = {name: secret}
        assert other.get("/admin/").code == 303
    assert browser.get("/admin/").code == 200


def test_another_site_cannot_log_a_browser_in(portal: Portal) -> None:
    """Login CSRF: the victim would go on in an account of the attacker's."""
    attacker, victim = Browser(portal), Browser(portal)
    form = {**attacker.get("/admin/login").hidden("/admin/login"), "name": "olga", "password": "olga's own"}
    victim.get("/admin/login")
    before = dict(victim.cookies)
    for browser in (victim, Browser(portal)):  # with a cookie of its own, and without any
        assert browser.post("/admin/login", form).code == 403
        assert browser.get("/admin/").code == 303
    assert victim.cookies == before
    assert sessions(portal) == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
        {"Sec_Fetch_Site": "", "Origin": "https://evil.example"},
        {"Sec_Fetch_Site": "", "Origin": "null"},
        {"Sec_Fetch_Site": "", "Origin": f"https://{HOST}.evil.example"},
        {"Sec_Fetch_Site": "", "Origin": "https://[", "Host": HOST},
    ],
)
def test_a_form_from_elsewhere_is_refused_even_with_the_right_token(rita: Browser, headers: dict[str, str]) -> None:
    form = rita.get("/admin/administrators").hidden("/admin/administrators")
    new = {**form, "name": "eve", "password": "eve's own", "again": "eve's own"}
    assert rita.post("/admin/administrators", new, **headers).code == 403
    assert "eve" not in rita.get("/admin/administrators").page
    assert Browser(rita.portal).post("/admin/login", {**form, "name": "rita", "password": "x"}, **headers).code == 403


def test_each_form_has_the_token_of_its_own_session(rita: Browser, olga: Browser) -> None:
    new = {"name": "eve", "password": "eve's own", "again": "eve's own"}
    for token in ({}, {"csrf": ""}, {"csrf": "\0"}, olga.get("/admin/account").hidden("/admin/account/password")):
        assert rita.post("/admin/administrators", {**new, **token}).code == 403
    assert "eve" not in rita.get("/admin/administrators").page


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8443", "", "a\tb"])
def test_the_host_that_a_client_names_is_repeated_nowhere(portal: Portal, host: str) -> None:
    browser = Browser(portal)
    for path in ("/admin/", "/admin/login", "/admin/login?next=/admin/"):
        shown = browser.get(path, Host=host)
        assert "evil" not in shown.page
        assert b"evil" not in shown.head
        assert shown.location.startswith("/") or not shown.location


def test_a_name_that_is_typed_is_shown_as_text(portal: Portal) -> None:
    shown = Browser(portal).log_in('"><script>alert(1)</script>', "x")
    assert "<script>" not in shown.page
    assert "&lt;script&gt;" in shown.page


def test_a_page_that_shows_itself_anew_does_not_keep_the_session(rita: Browser, clock: ManualClock) -> None:
    for _ in range(11):
        clock.advance(300)
        assert rita.get("/admin/recovery", Sec_Fetch_Dest="empty").code == 200
    clock.advance(300)
    assert rita.get("/admin/recovery", Sec_Fetch_Dest="empty").code == 303


def test_a_session_ends_when_it_is_not_used(rita: Browser, clock: ManualClock) -> None:
    clock.advance(3599)
    assert rita.get("/admin/").code == 200
    clock.advance(3600)
    assert rita.get("/admin/").location == "/admin/login?next=%2Fadmin%2F"


def test_who_has_no_second_factor_is_asked_to_set_one_up_at_each_login(portal: Portal) -> None:
    for _ in range(2):
        browser = Browser(portal)
        browser.log_in("rita", "rita's own")
        assert "Set up an authenticator" in browser.get("/admin/").page
        assert "Set up an authenticator" not in browser.get("/admin/").page
