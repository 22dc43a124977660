"""The login of webmail: by the user's own password, from our own page, into a session of its own."""

from __future__ import annotations

import re
from html import unescape

from mpcontinuity.model.errors import Temporary
from mpcontinuity.web.before_login import own_path
from tests.access.webmail.office import ANNA, BERT, PASSWORD, Office, log_in
from tests.admin.portal.browser import Browser, Shown
from tests.control.conftest import Call
from tests.fakes.judging import LIMIT
from tests.fakes.stores import result

COOKIE = "__Host-mpc_mail"
FORM = "__Host-mpc_mail_login"
ELSEWHERE = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}


def test_the_first_page_is_the_login_and_then_inbox(office: Office) -> None:
    office.put()
    browser = office.browser()
    shown = browser.get("/")
    assert shown.code == 200
    assert 'name="password"' in shown.page
    assert log_in(browser).location == "/"
    assert "Hello</a>" in browser.get("/").page


def test_a_wrong_password_and_an_unknown_address_are_told_the_same_and_the_address_stays_in_the_form(
    office: Office,
) -> None:
    pages = []
    for address in (ANNA, "nobody@example.org"):
        shown = log_in(office.browser(), address, "guessed")
        assert shown.code == 403
        assert f'value="{address}"' in shown.page
        pages.append(shown.page.replace(address, "…"))
    assert "is wrong" in pages[0]
    strip = [page[: page.index('name="csrf"')] for page in pages]
    assert strip[0] == strip[1]


def test_guessing_is_slowed_down_as_at_every_other_door(office: Office) -> None:
    browser = office.browser()
    for _ in range(2 * LIMIT):
        log_in(browser, password="guessed")
    assert office.court.slept == [1.0, 2.0, 4.0]


def test_an_app_password_does_not_open_webmail(office: Office, call: Call) -> None:
    made = call("user app-password add", address=ANNA, name="telephone")
    assert log_in(office.browser(), password=made["password"]).code == 403


def test_a_session_has_another_secret_than_the_browser_had_before(office: Office) -> None:
    browser = office.browser()
    browser.get("/")
    before = browser.cookies[FORM]
    log_in(browser)
    assert browser.cookies[COOKIE] != before
    assert result(office.services.sessions.find(before)) is None


def test_a_form_from_elsewhere_signs_nobody_in(office: Office) -> None:
    browser = office.browser()
    hidden = browser.get("/").hidden("/login")
    form = {**hidden, "address": ANNA, "password": PASSWORD}
    assert browser.post("/login", {**form, "csrf": "x"}).code == 403
    assert browser.post("/login", form, Sec_Fetch_Site="cross-site").code == 403
    assert "password" in browser.get("/").page


def test_who_is_not_signed_in_is_sent_to_the_login_and_comes_back(office: Office) -> None:
    path = f"/mail/{office.folder('Sent').id}/"
    browser = office.browser()
    shown = browser.get(path)
    assert shown.code == 303
    assert shown.location.startswith("/login?next=")
    assert browser.send("/login", shown.location, address=ANNA, password=PASSWORD).location == path


def test_a_script_is_told_that_nobody_is_signed_in_and_keeps_what_it_has(office: Office) -> None:
    shown = office.browser().get(f"/mail/{office.folder().id}/", Sec_Fetch_Dest="empty")
    assert shown.code == 401
    assert not shown.location


def test_the_login_leads_to_no_other_site() -> None:
    for path in ("https://evil.example/", "//evil.example/", "/\\evil.example", "/a/../..//x", "", "/mail/1/\r\nx"):
        assert own_path(path) == "/"
    assert own_path("/mail/1/?before=7") == "/mail/1/?before=7"
    letter = "/write?to=a%40b.example&subject=Well..&body=https://c.example//" + "x" * 4_000
    assert own_path(letter) == letter


def from_elsewhere(browser: Browser, path: str) -> Shown:
    """Follows a link of another site: cookies of ours stay at home (SameSite=Strict), those of the answer are kept."""
    kept, browser.cookies = browser.cookies, {}
    shown = browser.get(path, **ELSEWHERE)
    browser.cookies = kept | browser.cookies
    return shown


def refresh(shown: Shown) -> str:
    """Where a page goes on to by itself."""
    found = re.search(r'<meta http-equiv="refresh" content="0; url=([^"]+)">', shown.page)
    assert found is not None, shown.page
    return unescape(found[1])


def test_who_comes_by_a_link_from_elsewhere_arrives_signed_in_and_stays_so(anna: Browser) -> None:
    letter = "/write?to=bob%40x.example&subject=Hello"
    shown = from_elsewhere(anna, letter)
    assert shown.code == 200
    assert anna.get(refresh(shown)).location == letter  # a page of ours asks now
    from_elsewhere(anna, "/login")
    from_elsewhere(anna, "/login?next=/folders")
    assert anna.get("/folders").code == 200


def test_who_comes_from_elsewhere_and_is_not_signed_in_is_asked_for_the_password_once(office: Office) -> None:
    browser = office.browser()
    onward = refresh(from_elsewhere(browser, "/folders"))
    assert "http-equiv" not in from_elsewhere(browser, onward).page  # whatever a browser says of itself: no circle
    assert browser.send("/login", onward, address=ANNA, password=PASSWORD).location == "/folders"


def test_a_frame_and_a_script_from_elsewhere_are_shown_no_way_in(office: Office) -> None:
    for how in ({"Sec_Fetch_Dest": "iframe"}, {"Sec_Fetch_Mode": "cors", "Sec_Fetch_Dest": "empty"}):
        shown = office.browser().get("/folders", **{**ELSEWHERE, **how})
        assert shown.code in (303, 401)
        assert "http-equiv" not in shown.page


def test_logging_out_ends_the_session_where_the_form_is_ours(office: Office, anna: Browser) -> None:
    secret = anna.cookies[COOKIE]
    assert anna.post("/logout", {"csrf": "x"}).code == 303
    assert result(office.services.sessions.find(secret)) is not None
    assert anna.send("/logout").location == "/login"
    assert result(office.services.sessions.find(secret)) is None
    assert COOKIE not in anna.cookies


def test_another_password_ends_the_session(anna: Browser, call: Call) -> None:
    call("user password", address=ANNA, password="another one")
    assert 'name="password"' in anna.get("/").page


def test_a_user_who_is_inactive_has_no_page(anna: Browser, call: Call) -> None:
    call("user deactivate", address=ANNA)
    assert 'name="password"' in anna.get("/").page


def test_the_login_is_noted_as_that_of_the_web(office: Office, anna: Browser, call: Call) -> None:
    result(office.services.login.logins.write())
    assert call("user show", address=ANNA)["last_login_by"] == "web"


def test_a_store_that_is_away_is_said_and_nothing_is_lost(office: Office, anna: Browser) -> None:
    def away(*_: object, **__: object) -> object:
        raise Temporary("the database is away")

    read = office.store.read
    office.store.read = away  # type: ignore[method-assign, assignment]
    shown = anna.get("/")
    assert shown.code == 503
    assert "try again" in shown.page
    office.store.read = read  # type: ignore[method-assign]
    assert anna.get("/").code == 200
    assert BERT not in anna.get("/").page
