"""A user changes their password, and ends their own sessions and app passwords: nobody else's."""

from __future__ import annotations

from functools import partial

import pytest

from mpcontinuity.accounts import web_sessions
from mpcontinuity.accounts.web_sessions import USER
from mpcontinuity.model import identifier
from tests.access.webmail.office import ANNA, BERT, PASSWORD, Office, log_in
from tests.admin.portal.browser import Browser, Shown
from tests.control.conftest import Call
from tests.fakes.judging import LIMIT
from tests.fakes.stores import result

SETTINGS = "/settings/"
NEW = "a better one"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
EDGE = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/140.0 Safari/537.36 Edg/140.0"


def change(browser: Browser, current: str = PASSWORD, password: str = NEW, again: str = NEW) -> Shown:
    return browser.send("/settings/password", SETTINGS, current=current, password=password, again=again)


def is_signed_in(browser: Browser) -> bool:
    return browser.get(SETTINGS).code == 200


def opens(office: Office, password: str) -> bool:
    return log_in(office.browser(), ANNA, password).code == 303


def sessions(office: Office, address: str = ANNA) -> list[str]:
    whose = str(office.user(address).id)
    found = result(office.store.read(partial(web_sessions.listing, kind=USER, whose=whose)))
    return [identifier.show(each.id) for each in found]


def token(browser: Browser) -> dict[str, str]:
    return {"csrf": browser.get(SETTINGS).hidden("/settings/password")["csrf"]}


def test_the_password_is_changed_and_this_browser_alone_goes_on_by_a_new_secret(office: Office, anna: Browser) -> None:
    other, bert = office.browser(ANNA), office.browser(BERT)
    before = dict(anna.cookies)
    assert change(anna).location == SETTINGS
    assert "Your password is changed." in anna.get(SETTINGS).page
    assert anna.cookies != before
    assert not is_signed_in(other)
    assert is_signed_in(bert)
    anna.cookies = before
    assert not is_signed_in(anna)
    assert opens(office, NEW)
    assert not opens(office, PASSWORD)


@pytest.mark.parametrize(
    ("current", "password", "again", "field"),
    [
        ("guessed", NEW, NEW, "current"),
        (PASSWORD, "short", "short", "password"),
        (PASSWORD, "x" * 1025, "x" * 1025, "password"),
        (PASSWORD, NEW, "another one", "again"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_is_changed(
    office: Office, anna: Browser, current: str, password: str, again: str, field: str
) -> None:
    other = office.browser(ANNA)
    shown = change(anna, current, password, again)
    assert shown.code == 400
    assert shown.page.count('role="alert"') == 1
    assert f'id="{field}-error" role="alert"' in shown.page
    assert is_signed_in(anna)
    assert is_signed_in(other)
    assert opens(office, PASSWORD)
    assert not opens(office, password)


def test_an_app_password_does_not_change_the_password(office: Office, anna: Browser, call: Call) -> None:
    made = call("user app-password add", address=ANNA, name="telephone")
    assert change(anna, made["password"]).code == 400
    assert opens(office, PASSWORD)


def test_guessing_the_password_in_an_open_browser_is_slowed_down_as_at_the_login(office: Office, anna: Browser) -> None:
    before = office.user().password_changes
    for _ in range(2 * LIMIT):
        assert change(anna, "guessed").code == 400
    assert office.court.slept == [1.0, 2.0, 4.0]
    assert office.services.login.outcomes["failed"] == 2 * LIMIT
    assert office.user().password_changes == before


def test_a_password_that_somebody_else_sets_at_that_moment_leaves_nobody_signed_in(
    office: Office, anna: Browser, call: Call
) -> None:
    begin = office.services.sessions.begin

    async def meanwhile(*arguments: object, **named: object) -> str:
        call("user password", address=ANNA, password="of the administrator")
        return await begin(*arguments, **named)  # type: ignore[arg-type]

    office.services.sessions.begin = meanwhile  # type: ignore[method-assign]
    change(anna)
    assert not is_signed_in(anna)


def test_sessions_are_listed_by_browser_and_address_this_one_first(office: Office, anna: Browser) -> None:
    user, begin = office.user(), office.services.sessions.begin
    for agent, peer in ((EDGE, "192.0.2.7"), (FIREFOX, "2001:db8::7"), ("<b>Robot</b>", "192.0.2.8")):
        result(begin(str(user.id), user.password_changes, peer=peer, agent=agent))
    page = anna.get(SETTINGS).page
    assert page.count("This browser") == 1
    assert page.index("This browser") < page.index("Firefox on Linux")
    assert page.index("Firefox on Linux") < page.index("2001:db8::7") < page.index("Edge on Windows")
    assert "192.0.2.7" in page
    assert "<b>Robot" not in page
    assert page.count('action="/settings/sessions/end"') == 3


def test_one_session_is_ended_and_the_others_go_on(office: Office, anna: Browser) -> None:
    second = office.browser(ANNA)
    newest = sessions(office)[0]
    third = office.browser(ANNA)
    assert anna.post("/settings/sessions/end", {**token(anna), "id": newest}).location == SETTINGS
    assert not is_signed_in(second)
    assert is_signed_in(third)
    assert is_signed_in(anna)


def test_all_other_sessions_are_ended_those_of_other_users_excepted(office: Office, anna: Browser) -> None:
    others, bert = [office.browser(ANNA), office.browser(ANNA)], office.browser(BERT)
    assert anna.send("/settings/sessions/end-others", SETTINGS).location == SETTINGS
    assert not any(is_signed_in(each) for each in others)
    assert is_signed_in(anna)
    assert is_signed_in(bert)
    assert "end-others" not in anna.get(SETTINGS).page


def test_another_users_session_and_what_is_none_are_not_there(office: Office, anna: Browser) -> None:
    bert = office.browser(BERT)
    for id_ in (*sessions(office, BERT), "0" * 13, "none", ""):
        shown = anna.post("/settings/sessions/end", {**token(anna), "id": id_})
        assert shown.code == 404
        assert "not signed in there any more" in shown.page
    assert is_signed_in(bert)
    assert BERT not in anna.get(SETTINGS).page


def test_an_app_password_is_shown_with_its_device_and_revoked(office: Office, anna: Browser, call: Call) -> None:
    made = call("user app-password add", address=ANNA, name="old telephone")
    page = anna.get(SETTINGS).page
    assert "old telephone" in page
    assert "never" in page
    assert made["password"] not in page
    assert anna.send("/settings/app-passwords/revoke", SETTINGS).location == SETTINGS
    assert call("user app-password list", address=ANNA) == []
    assert "No device has a password of its own yet." in anna.get(SETTINGS).page


def test_another_users_app_password_and_what_is_none_are_not_there(office: Office, anna: Browser, call: Call) -> None:
    made = call("user app-password add", address=BERT, name="telephone of Bert")
    for id_ in (made["id"], "0" * 13, "none", ""):
        shown = anna.post("/settings/app-passwords/revoke", {**token(anna), "id": id_})
        assert shown.code == 404
        assert "telephone of Bert" not in shown.page
    assert len(call("user app-password list", address=BERT)) == 1
