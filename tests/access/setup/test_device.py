"""The pages by which a user sets up a device: values, a password of its own, and whether it has arrived."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from html import unescape
from typing import Any

import pytest

from mpcontinuity.access.setup.device import COOKIE, device
from mpcontinuity.access.setup.site import routes
from mpcontinuity.accounts import app_passwords, second_factor, totp, user_factors
from mpcontinuity.control.changes import Change
from mpcontinuity.control.operation import Control
from mpcontinuity.control.users import known
from mpcontinuity.model.rations import Rations
from mpcontinuity.model.settings import Limits, Public, Settings
from mpcontinuity.web.routes import RoutedSite
from tests.access.setup.test_invitation import services
from tests.admin.portal.browser import HOST, Browser, Shown
from tests.control.conftest import Call
from tests.fakes.clock import ManualClock, SeededRandomness
from tests.fakes.judging import HERE, Court
from tests.fakes.stores import result

ANNA = "anna@example.org"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Version/18.5 Mobile Safari/604.1"
PHONE = "/setup/phone"


class Office:
    """The pages, as the portal's browser wants a site."""

    def __init__(self, control: Control, clock: ManualClock) -> None:
        self.noted: list[Change] = []
        settings = Settings(hostname="mx.example.net", public=Public(host=HOST, ports={"web": 443, "imaps": 993}))
        self.control = replace(control, settings=settings, note=self.noted.append)
        self.court = Court(clock, control.passwords)
        self.services = services(self.control, self.court.judge)
        timer: Any = clock
        self.site = RoutedSite(routes(self.services), timer, Rations(Limits(), clock.seconds), most=1 << 30)


@pytest.fixture
def office(control: Control, clock: ManualClock, call: Call) -> Office:
    call("domain add", name="example.org", home="home.example.org")
    call("user add", address=ANNA, password="secret")
    call("user add", address="bert@example.org", password="another")
    return Office(control, clock)


@pytest.fixture
def browse(office: Office) -> Callable[[], Browser]:
    portal: Any = office
    return lambda: Browser(portal)


@pytest.fixture
def anna(browse: Callable[[], Browser]) -> Browser:
    browser = browse()
    assert log_in(browser).location == PHONE
    return browser


def log_in(browser: Browser, address: str = ANNA, password: str = "secret") -> Shown:
    return browser.send(f"{PHONE}/login", PHONE, address=address, password=password)


def make(browser: Browser, name: str = "iPhone") -> tuple[Shown, str]:
    shown = browser.send(f"{PHONE}/made", PHONE, name=name)
    found = re.search(r'<code id="password">([^<]*)</code>', shown.page)
    return shown, found[1] if found else ""


def names(call: Call, address: str = ANNA) -> list[str]:
    return [row["name"] for row in call("user app-password list", address=address)]


def test_the_values_are_shown_to_everybody_and_with_the_address_that_is_typed(browse: Callable[[], Browser]) -> None:
    shown = browse().get("/setup?email=a%26b@example.org").page
    assert '<code id="user">a&amp;b@example.org</code>' in shown
    assert re.findall(r'<code id="imap-\w+">([^<]*)', shown) == [HOST, "993", "SSL/TLS"]
    assert 'href="/mobileconfig?email=a%26b%40example.org"' in shown
    assert 'src="data:image/svg+xml' in shown
    for client in ("Outlook", "Thunderbird", "iPhone", "Android"):
        assert client in shown
    shown = browse().get("/setup?email=a%3Cb%3E").page
    assert "This is not a mail address" in shown
    assert "<b>" not in shown
    assert "mobileconfig?" not in shown


def test_a_device_gets_a_password_of_its_own_which_opens_the_mail_doors(
    anna: Browser, office: Office, call: Call
) -> None:
    shown, password = make(anna, "Anna's iPhone")
    assert shown.code == 200
    assert names(call) == ["Anna's iPhone"]
    login = office.services.login
    user = result(login.check(ANNA, password, HERE, by_device=True))
    assert user is not None
    assert [(each.by, each.operation, each.outcome) for each in office.noted] == [
        (ANNA, "user app-password add", "done")
    ]
    assert password not in str(office.noted)


def test_the_page_waits_for_the_device_and_turns_green_when_it_has_logged_in(anna: Browser, office: Office) -> None:
    shown, password = make(anna)
    assert '<div id="seen" data-live="3"' in shown.page
    waiting = anna.get(f"{PHONE}/made")
    assert "Waiting for iPhone" in waiting.page
    assert '<meta http-equiv="refresh"' in waiting.page
    assert password not in waiting.page
    login = office.services.login
    user = result(login.check(ANNA, password, HERE, by_device=True))
    assert user is not None
    login.logins.note(user, "IMAP", "192.0.2.7")
    result(login.logins.write())
    seen = anna.get(f"{PHONE}/made").page
    assert 'class="notice done"' in seen
    assert "iPhone has logged in by IMAP from 192.0.2.7" in seen
    assert "http-equiv" not in seen


def test_a_device_is_removed_by_its_user(anna: Browser, call: Call) -> None:
    make(anna, "old")
    make(anna, "new")
    assert anna.send(f"{PHONE}/remove", PHONE).location == PHONE
    assert names(call) == ["new"]


def test_nobody_removes_the_device_of_another_user(anna: Browser, browse: Callable[[], Browser], call: Call) -> None:
    make(anna)
    (row,) = call("user app-password list", address=ANNA)
    bert = browse()
    log_in(bert, "bert@example.org", "another")
    form = bert.get(PHONE).hidden(f"{PHONE}/made")
    assert bert.post(f"{PHONE}/remove", {**form, "id": row["id"]}).code == 400
    assert names(call) == ["iPhone"]


@pytest.mark.parametrize(("address", "password"), [(ANNA, "wrong"), ("nobody@example.org", "secret"), ("", "")])
def test_a_wrong_password_and_an_unknown_address_are_told_the_same(
    browse: Callable[[], Browser], address: str, password: str
) -> None:
    shown = log_in(browse(), address, password)
    assert shown.code == 403
    assert "The address or the password is wrong" in shown.page
    assert "secret" not in shown.page


def test_an_app_password_does_not_open_the_page(anna: Browser, browse: Callable[[], Browser]) -> None:
    assert log_in(browse(), password=make(anna)[1]).code == 403


def test_guesses_count_in_the_throttle_of_passwords(browse: Callable[[], Browser], office: Office) -> None:
    browser = browse()
    for _ in range(4):
        log_in(browser, password="wrong")
    assert office.court.slept == [1.0]


def test_who_is_not_signed_in_makes_nothing(anna: Browser, browse: Callable[[], Browser], call: Call) -> None:
    stranger = browse()
    form = {**stranger.get(PHONE).hidden(f"{PHONE}/login"), "name": "x"}
    assert stranger.post(f"{PHONE}/made", form).code == 403
    assert stranger.get(f"{PHONE}/made").location == PHONE
    assert names(call) == []


def test_a_form_of_another_site_does_nothing_and_logs_nobody_in(
    anna: Browser, browse: Callable[[], Browser], call: Call
) -> None:
    form = {**anna.get(PHONE).hidden(f"{PHONE}/made"), "name": "x"}
    for headers in ({"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "", "Origin": "https://evil.example"}):
        assert anna.post(f"{PHONE}/made", form, **headers).code == 400
    assert anna.post(f"{PHONE}/made", {**form, "csrf": "x"}).code == 400
    assert names(call) == []
    victim = browse()
    hers = victim.get(PHONE).hidden(f"{PHONE}/login")
    assert (
        victim.post(f"{PHONE}/login", {**hers, "csrf": form["csrf"], "address": ANNA, "password": "secret"}).code == 403
    )


def test_a_secret_that_was_put_into_the_browser_before_the_login_is_worth_nothing(
    browse: Callable[[], Browser],
) -> None:
    browser = browse()
    browser.get(PHONE)
    before = dict(browser.cookies)
    log_in(browser)
    assert browser.cookies != before
    thief = browse()
    thief.cookies = before
    assert "Log in with your mail address" in thief.get(PHONE).page


def test_who_comes_by_a_link_from_elsewhere_is_signed_in_still(anna: Browser) -> None:
    kept, anna.cookies = anna.cookies, {}  # cookies of ours stay at home (SameSite=Strict)
    elsewhere = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
    shown = anna.get(PHONE, **elsewhere)
    found = re.search(r'<meta http-equiv="refresh" content="0; url=([^"]+)">', shown.page)
    assert found is not None
    onward = unescape(found[1])
    assert "Log in with your mail address" in anna.get(onward, **elsewhere).page  # and no circle
    anna.cookies = kept | anna.cookies
    for path in (onward, PHONE):
        assert "Make a password" in anna.get(path).page


def test_the_session_ends_by_logging_out_by_a_quarter_of_an_hour_and_by_a_change_of_the_password(
    browse: Callable[[], Browser], clock: ManualClock, call: Call
) -> None:
    def is_in(browser: Browser) -> bool:
        return "Make a password" in browser.get(PHONE).page

    browser = browse()
    for end in (
        lambda: browser.send(f"{PHONE}/logout", PHONE),
        lambda: clock.advance(15 * 60),
        lambda: call("user password", address=ANNA, password="changed"),
    ):
        log_in(browser)
        assert is_in(browser)
        end()
        assert not is_in(browser)


def test_a_page_that_looks_again_by_itself_does_not_keep_the_session(anna: Browser, clock: ManualClock) -> None:
    make(anna)
    for _ in range(3):
        clock.advance(5 * 60 + 1)
        anna.get(f"{PHONE}/made", Sec_Fetch_Dest="empty")
    assert anna.get(f"{PHONE}/made").location == PHONE


def test_what_is_wrong_with_a_name_stands_on_the_page_with_what_was_typed(anna: Browser, call: Call) -> None:
    shown, _ = make(anna, "x" * 101)
    assert shown.code == 400
    assert "Name: must say for which device it is" in shown.page
    assert "x" * 101 in shown.page
    for number in range(app_passwords.MOST):
        call("user app-password add", address=ANNA, name=f"device {number}")
    assert "30 app passwords already" in make(anna)[0].page
    assert len(names(call)) == app_passwords.MOST


@pytest.mark.parametrize(
    ("agent", "found"),
    [
        (IPHONE, ("iPhone", "apple")),
        ("Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36", ("Android telephone", "android")),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15", ("Mac", "apple")),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64)", ("Windows computer", "computer")),
        ("Mozilla/5.0 (X11; Linux x86_64)", ("Linux computer", "computer")),
        ("", ("device", "computer")),
    ],
)
def test_a_device_is_known_by_what_its_browser_calls_itself(agent: str, found: tuple[str, str]) -> None:
    assert device(agent) == found


def test_an_iphone_is_offered_the_profile_and_its_name(anna: Browser) -> None:
    assert 'value="iPhone"' in anna.get(PHONE, User_Agent=IPHONE).page
    make(anna)
    assert "/mobileconfig?email=anna%40example.org" in anna.get(f"{PHONE}/made", User_Agent=IPHONE).page
    assert "/mobileconfig" not in anna.get(f"{PHONE}/made").page


def test_no_page_has_anything_inline_or_from_elsewhere(anna: Browser) -> None:
    pages = [make(anna)[0], *(anna.get(path) for path in ("/setup", PHONE, f"{PHONE}/made"))]
    for shown in pages:
        assert not re.search(r"<script>|style=|\son\w+=|src=.https?:", shown.page)
        assert b"content-security-policy: default-src 'none'" in shown.head.lower()
        assert b"cache-control: no-store" in shown.head.lower()
    assert COOKIE in str(anna.cookies)


def test_who_has_a_second_factor_is_asked_for_its_code_before_a_device_gets_a_password(
    office: Office, browse: Callable[[], Browser], call: Call
) -> None:
    secret, codes = totp.secret(SeededRandomness(1)), second_factor.recovery_codes(SeededRandomness(2))
    anna = result(office.control.store.read(partial(known, address=ANNA)))
    result(office.control.store.run(partial(user_factors.begin, account=anna.id, secret=secret)))
    code = totp.code(secret, totp.step_of(office.court.clock.now()))
    work = partial(user_factors.confirm, account=anna.id, domain=anna.domain, code=code, recovery=codes)
    result(office.control.store.run(work))
    browser = browse()
    assert log_in(browser).location == PHONE
    page = browser.get(PHONE)
    assert ANNA in page.page
    made = browser.post(f"{PHONE}/made", {**page.hidden(f"{PHONE}/code"), "name": "a thief's"})
    assert made.code == 403
    assert names(call) == []
    shown = browser.send(f"{PHONE}/code", PHONE, code=code)
    assert shown.code == 403
    assert 'id="code-error" role="alert"' in shown.page
    assert browser.send(f"{PHONE}/code", PHONE, code=codes[0]).location == PHONE
    assert make(browser)[1]
    assert names(call) == ["iPhone"]
