"""The second factor of a user at webmail: turned on, asked for at the login, and turned off, by whom it protects."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import pytest

from mpcontinuity.access.webmail.signing_in import welcome
from mpcontinuity.accounts import totp, user_factors
from mpcontinuity.accounts.web_sessions import UNFINISHED_LASTS
from mpcontinuity.control.user_factors import OWN
from mpcontinuity.model.clock import SECOND
from mpcontinuity.web.asked import Asked
from tests.access.webmail.office import ANNA, BERT, PASSWORD, Office, log_in
from tests.admin.portal.browser import Browser, Shown
from tests.conftest import DATABASES
from tests.control.conftest import Call
from tests.fakes.judging import HERE, LIMIT
from tests.fakes.stores import result

SETTINGS = "/settings/"
FACTOR = "/settings/second-factor"
CODE = "/login/code"
_KEY = re.compile(r'<code class="key">([A-Z2-7 ]+)</code>')
_CODES = re.compile(r"<li>((?:[a-z2-7]{4}-){3}[a-z2-7]{4})</li>")


class Phone:
    """Anna's, with her authenticator, and the codes that she has written down."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.secret = ""
        self.codes: list[str] = []

    def code(self, secret: str = "") -> str:
        """One that was not used."""
        self.office.clock.advance(30)
        return totp.code(secret or self.secret, totp.step_of(self.office.clock.now()))

    def scan(self, browser: Browser) -> Shown:
        shown = browser.send(f"{FACTOR}/begin", FACTOR)
        self.secret = key(shown)
        return shown

    def confirm(self, browser: Browser, shown: Shown, **form: str) -> Shown:
        given = {"code": self.code(), "password": PASSWORD, **form}
        shown = browser.post(f"{FACTOR}/confirm", {**shown.hidden(f"{FACTOR}/confirm"), **given})
        self.codes = _CODES.findall(shown.page) or self.codes
        return shown


def key(shown: Shown) -> str:
    found = _KEY.search(shown.page)
    assert found is not None, shown.page
    return found[1].replace(" ", "")


def is_signed_in(browser: Browser) -> bool:
    return browser.get(SETTINGS).code == 200


def give(browser: Browser, code: str, path: str = CODE) -> Shown:
    return browser.send(CODE, path, code=code)


@pytest.fixture
def phone(office: Office, anna: Browser) -> Phone:
    """It is on; ``anna`` is the browser where that was done."""
    phone = Phone(office)
    shown = phone.confirm(anna, phone.scan(anna))
    assert "The second factor is on" in shown.page
    assert len(phone.codes) == 10
    return phone


def test_before_it_is_on_the_page_says_what_changes_and_then_what_is_next(office: Office, anna: Browser) -> None:
    before = anna.get(FACTOR).page
    assert "cannot log in any more" in before
    assert "app password" in before
    phone = Phone(office)
    shown = phone.scan(anna)
    assert 'src="data:image/svg+xml' in shown.page
    shown = phone.confirm(anna, shown)
    assert 'href="/phone"' in shown.page
    assert "app password" in shown.page
    assert "no-store" in shown.head.decode().lower()
    after = anna.get(FACTOR).page
    assert "Recovery codes left: 10." in after
    assert phone.codes[0] not in after
    assert phone.secret not in after.replace(" ", "")


def test_whose_address_a_mail_server_logs_in_by_is_told_that_it_needs_an_app_password(
    office: Office, anna: Browser, call: Call
) -> None:
    assert "mail server" not in anna.get(FACTOR).page
    call("user relay", address=ANNA, on=True)
    assert "By your password it cannot do so any more." in anna.get(FACTOR).page
    phone = Phone(office)
    assert "Your mail server needs one as well." in phone.confirm(anna, phone.scan(anna)).page
    assert "So does your mail server" in anna.get(FACTOR).page


@pytest.mark.parametrize("database", DATABASES, indirect=True)
def test_the_login_asks_for_a_code_on_a_page_of_its_own_and_leads_where_one_wanted(
    office: Office, phone: Phone
) -> None:
    browser = office.browser()
    shown = log_in(browser, path="/login?next=/write%3Fto%3Dx%40y.example")
    assert shown.location == f"{CODE}?next=%2Fwrite%3Fto%3Dx%40y.example"
    assert not is_signed_in(browser)
    for path in (FACTOR, "/events"):
        assert browser.get(path).code == 303
    assert browser.get("/").hidden(CODE)["next"] == "/"
    shown = browser.get(shown.location)
    assert ANNA in shown.page
    shown = browser.post(CODE, {**shown.hidden(CODE), "code": phone.code()})
    assert shown.location == "/write?to=x@y.example"
    assert is_signed_in(browser)
    assert browser.get(CODE).location == "/"


def test_a_code_is_good_once_and_a_wrong_one_says_so_at_its_field(office: Office, phone: Phone) -> None:
    browser, code = office.browser(), phone.code()
    log_in(browser)
    for wrong in ("000000", "", "no code", "x" * 10_000):
        shown = give(browser, wrong)
        assert shown.code == 403
        assert 'id="code-error" role="alert"' in shown.page
        assert not is_signed_in(browser)
    assert give(browser, code).location == "/"
    other = office.browser()
    log_in(other)
    assert give(other, code).code == 403


def test_a_recovery_code_lets_in_once_and_the_next_page_says_how_many_are_left(office: Office, phone: Phone) -> None:
    browser = office.browser()
    log_in(browser)
    assert give(browser, phone.codes[3].upper()).location == "/"
    assert "Left: 9" in browser.get("/").page
    again = office.browser()
    log_in(again)
    assert give(again, phone.codes[3]).code == 403


def test_who_logs_in_is_told_of_wrong_codes_that_somebody_else_has_sent(office: Office, phone: Phone) -> None:
    for number in range(3):
        result(office.services.login.by_code(office.user(), "000000", f"198.51.100.{number}"))
    browser = office.browser()
    log_in(browser)
    give(browser, phone.code())
    assert "wrong codes came with your right password: 3." in browser.get("/").page
    log_in(again := office.browser())
    give(again, "000000")  # one's own slip
    give(again, phone.codes[0])
    page = again.get("/").page
    assert "wrong codes" not in page
    assert "Left: 9" in page


def test_guesses_are_slowed_down_and_lock_nobody_out_of_the_password(office: Office, phone: Phone) -> None:
    browser = office.browser()
    log_in(browser)
    for _ in range(2 * LIMIT):
        give(browser, "000000")
    assert office.court.slept == [1.0, 2.0, 4.0]
    assert give(browser, phone.code()).code == 403
    assert log_in(office.browser()).location == CODE


def test_each_step_has_a_new_secret_and_the_form_has_to_be_ours(office: Office, phone: Phone) -> None:
    browser = office.browser()
    log_in(browser)
    before = dict(browser.cookies)
    form = {**browser.get(CODE).hidden(CODE), "code": phone.code()}
    assert browser.post(CODE, {**form, "csrf": "x"}).code == 403
    assert browser.post(CODE, form, Sec_Fetch_Site="cross-site").code == 403
    assert browser.post(CODE, form).location == "/"
    assert browser.cookies != before
    browser.cookies = before
    assert not is_signed_in(browser)


def test_a_login_that_waits_ends_soon_and_with_the_user_and_can_be_begun_anew(
    office: Office, phone: Phone, call: Call
) -> None:
    browser = office.browser()
    log_in(browser)
    office.clock.advance(UNFINISHED_LASTS / SECOND)
    assert 'name="password"' in browser.get(CODE).page
    log_in(browser)
    assert browser.post("/login/again", browser.get(CODE).hidden("/login/again")).location == "/login"
    assert 'name="password"' in browser.get(CODE).page
    log_in(browser)
    form = {**browser.get(CODE).hidden(CODE), "code": phone.code()}
    call("user deactivate", address=ANNA)
    assert browser.post(CODE, form).code == 403
    assert not is_signed_in(browser)
    assert log_in(office.browser()).code == 403


def test_turning_it_on_signs_out_every_browser_but_this_one(office: Office, anna: Browser) -> None:
    other, bert, before = office.browser(ANNA), office.browser(BERT), dict(anna.cookies)
    phone = Phone(office)
    phone.confirm(anna, phone.scan(anna))
    assert [is_signed_in(each) for each in (anna, other, bert)] == [True, False, True]
    anna.cookies = before
    assert not is_signed_in(anna)


@pytest.mark.parametrize(
    ("form", "field"), [({"code": "000000"}, "code"), ({"password": "guessed"}, "password"), ({"code": ""}, "code")]
)
def test_what_is_wrong_is_said_at_its_field_and_the_key_stays(
    office: Office, anna: Browser, form: dict[str, str], field: str
) -> None:
    phone = Phone(office)
    shown = phone.confirm(anna, phone.scan(anna), **form)
    assert shown.code == 400
    assert shown.page.count('role="alert"') == 1
    assert f'id="{field}-error" role="alert"' in shown.page
    assert key(shown) == phone.secret
    assert not office.user().second_factor
    assert "is on" in phone.confirm(anna, shown).page


def test_nobody_is_shown_or_confirms_a_key_that_somebody_else_has_begun(office: Office, anna: Browser) -> None:
    other = office.browser()
    log_in(other)
    phone, stranger = Phone(office), Phone(office)
    shown = phone.scan(anna)
    stranger.scan(other)
    for code in (phone.code(), stranger.code()):
        given = phone.confirm(anna, shown, code=code)
        assert given.code == 400
        assert "begun again elsewhere" in given.page
        assert stranger.secret not in given.page.replace(" ", "")
    assert not office.user().second_factor


def test_a_key_that_waits_no_longer_turns_nothing_on(office: Office, anna: Browser) -> None:
    phone = Phone(office)
    shown = phone.scan(anna)
    office.clock.advance(3600)
    shown = phone.confirm(anna, shown)
    assert shown.code == 400
    assert "begin again" in shown.page
    assert not office.user().second_factor


def test_another_authenticator_needs_a_code_of_the_one_before_or_a_recovery_code(
    office: Office, anna: Browser, phone: Phone
) -> None:
    before, codes = phone.secret, phone.codes
    shown = phone.scan(anna)
    assert 'name="old"' in shown.page
    refused = phone.confirm(anna, shown, old="000000")
    assert refused.code == 400
    assert 'id="old-error" role="alert"' in refused.page
    assert phone.confirm(anna, shown, old=codes[0]).code == 200
    assert phone.codes != codes
    browser = office.browser()
    log_in(browser)
    assert give(browser, phone.code(before)).code == 403
    assert give(browser, codes[1]).code == 403
    assert give(browser, phone.code()).location == "/"


@pytest.mark.parametrize("act", ["remove", "renew"])
def test_a_browser_that_was_left_open_is_not_enough_to_change_it(
    office: Office, anna: Browser, phone: Phone, act: str
) -> None:
    path = f"{FACTOR}/{act}"
    for form, field in (
        ({"password": "guessed", "code": phone.codes[0]}, "password"),
        ({"password": PASSWORD, "code": "000000"}, "code"),
        ({"password": PASSWORD}, "code"),
    ):
        shown = anna.send(path, FACTOR, **form)
        assert shown.code == 400
        assert f'id="{act}-{field}-error" role="alert"' in shown.page
    assert office.user().second_factor
    assert "Recovery codes left: 10." in anna.get(FACTOR).page


def test_new_recovery_codes_are_shown_once_and_those_before_end(office: Office, anna: Browser, phone: Phone) -> None:
    shown = anna.send(f"{FACTOR}/renew", FACTOR, password=PASSWORD, code=phone.code())
    fresh = _CODES.findall(shown.page)
    assert len(fresh) == 10
    browser = office.browser()
    log_in(browser)
    assert give(browser, phone.codes[0]).code == 403
    assert give(browser, fresh[0]).location == "/"


def test_it_is_turned_off_by_password_and_code_and_this_browser_goes_on(
    office: Office, anna: Browser, phone: Phone
) -> None:
    other = office.browser()
    log_in(other)
    give(other, phone.code())
    assert is_signed_in(other)
    shown = anna.send(f"{FACTOR}/remove", FACTOR, password=PASSWORD, code=phone.code())
    assert shown.location == FACTOR
    assert "The second factor is off." in anna.get(FACTOR).page
    assert not is_signed_in(other)
    assert log_in(office.browser()).location == "/"


def test_an_administrator_takes_it_away_from_who_has_lost_the_phone(
    office: Office, anna: Browser, phone: Phone, call: Call
) -> None:
    waiting = office.browser()
    log_in(waiting)
    call("user second-factor remove", address=ANNA)
    assert not is_signed_in(anna)
    assert 'name="password"' in waiting.get(CODE).page
    browser = office.browser()
    assert log_in(browser).location == "/"
    assert "Your second factor is off" in browser.get("/").page  # a message


def test_the_password_is_changed_without_a_code_in_a_browser_that_has_given_one(
    office: Office, anna: Browser, phone: Phone
) -> None:
    form = {"current": PASSWORD, "password": "a better one", "again": "a better one"}
    assert anna.send("/settings/password", SETTINGS, **form).location == SETTINGS
    assert is_signed_in(anna)
    assert log_in(office.browser(), password="a better one").location == CODE


def test_a_password_that_is_changed_while_a_factor_is_turned_on_signs_nobody_in_without_it(
    office: Office, anna: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.clock.advance(1)
    phone, other = Phone(office), office.browser()
    log_in(other)
    account, check = office.user(), office.services.login.check

    async def slow(*who: Any, **how: Any) -> Any:  # the password takes a while to be checked
        user = await check(*who, **how)
        monkeypatch.undo()
        secret = totp.secret(office.control.randomness)
        code = phone.code(secret)
        await office.store.run(partial(user_factors.begin, account=account.id, secret=secret))
        confirm = partial(user_factors.confirm, account=account.id, domain=account.domain, code=code, recovery=[])
        await office.store.run(confirm)
        return user

    form = {"current": PASSWORD, "password": "a better one", "again": "a better one"}
    form["csrf"] = other.get(SETTINGS).hidden("/settings/password")["csrf"]
    monkeypatch.setattr(office.services.login, "check", slow)
    other.post("/settings/password", form)
    assert office.user().second_factor
    assert not is_signed_in(other)
    assert other.get(CODE).hidden(CODE)


def test_too_many_wrong_codes_are_said_in_the_settings(office: Office, anna: Browser, phone: Phone) -> None:
    for number in range(100):
        result(office.services.login.by_code(office.user(), "000000", f"198.51.100.{number}"))
    assert "Somebody may know your password" in anna.get(SETTINGS).page
    assert "Somebody may know your password" in anna.get(FACTOR).page


def test_an_invitation_ends_in_inbox_and_with_a_factor_at_the_question_for_it(
    office: Office, anna: Browser, phone: Phone
) -> None:
    asked = Asked("POST", "/invite/x", peer=HERE)
    for user, path in ((office.user(BERT), "/"), (office.user(), CODE)):
        answer = result(welcome(office.services, asked, user))
        assert answer.fields[b"location"] == path.encode()


def test_what_only_its_user_does_is_in_the_audit_trail(office: Office, phone: Phone, call: Call) -> None:
    names = {row["operation"] for row in call("audit") if row["by"] == ANNA}
    assert {"user second-factor begin", "user second-factor confirm"} <= names
    assert names <= set(OWN)
