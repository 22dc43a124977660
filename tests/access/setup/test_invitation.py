"""The page of an invitation: what a browser is shown, what its form does, and what wrong links come to."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest

from mpcontinuity.access.setup.invitation import LONGEST_FORM
from mpcontinuity.access.setup.services import SetupServices
from mpcontinuity.access.setup.site import routes
from mpcontinuity.access.webmail.site import welcome
from mpcontinuity.accounts import user_login
from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.judging import Judge
from mpcontinuity.accounts.passwords import MAX_LENGTH
from mpcontinuity.accounts.user_login import UserLogin
from mpcontinuity.accounts.web_sessions import SETUP, USER, WebSessions
from mpcontinuity.control.changes import Change
from mpcontinuity.control.operation import Control
from mpcontinuity.control.users import SHORTEST_CHOSEN
from mpcontinuity.model.clock import DAY
from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.rations import Rations
from mpcontinuity.model.settings import Limits, Public, Settings
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.web.routes import RoutedSite
from tests.conftest import DATABASES
from tests.control.conftest import Call
from tests.fakes.clock import ManualClock, SeededRandomness
from tests.fakes.judging import LIMIT, Court
from tests.fakes.stores import result
from tests.web.test_pages import Transport

pytestmark = pytest.mark.parametrize("database", DATABASES, indirect=True)

PASSWORD = "correct horse"
_ACCOUNTS = Statement("SELECT id, password, scram, status, password_changes FROM account ORDER BY id")
_LINKS = Statement("SELECT * FROM link")


def services(control: Control, judge: Judge) -> SetupServices:
    directory = Directory(control.store)
    sessions = WebSessions(control.store, SETUP, SeededRandomness(3), user_login.signed_in)
    login = UserLogin(control.store, directory, judge)
    webmail: Any = SimpleNamespace(
        sessions=WebSessions(control.store, USER, SeededRandomness(4), user_login.signed_in), login=login
    )
    return SetupServices(
        control=control,
        judge=judge,
        login=login,
        directory=directory,
        sessions=sessions,
        enter=partial(welcome, webmail),
    )


class Browser:
    """A browser without JavaScript, and the operations beside it."""

    def __init__(self, control: Control, clock: ManualClock) -> None:
        self.noted: list[Change] = []
        self.cookies = 0  # that the last answer set
        self.court = Court(clock)
        settings = Settings(hostname="mx.example.net", public=Public(host="mail.example.net", ports={"web": 443}))
        self.control = replace(control, settings=settings, note=self.noted.append)
        pages = routes(services(self.control, self.court.judge))
        timer: Any = clock
        self.site = RoutedSite(pages, timer, Rations(Limits(), clock.seconds), most=1 << 30)

    def _ask(self, request: bytes) -> tuple[int, str]:
        channel = self.site.buildProtocol(None)
        transport: Any = Transport()
        channel.makeConnection(transport)
        channel.dataReceived(request)
        head, _, body = transport.value().partition(b"\r\n\r\n")
        self.cookies = head.lower().count(b"\r\nset-cookie: ")
        return int(head.split()[1]), body.decode()

    def get(self, path: str, method: str = "GET") -> tuple[int, str]:
        return self._ask(f"{method} {path} HTTP/1.1\r\nHost: evil.example\r\n\r\n".encode())

    def post(self, path: str, site: str = "same-origin", **form: str) -> tuple[int, str]:
        body = urlencode(form)
        return self._ask(
            f"POST {path} HTTP/1.1\r\nHost: evil.example\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            f"Sec-Fetch-Site: {site}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        )

    def set(self, path: str, password: str = PASSWORD, site: str = "same-origin") -> tuple[int, str]:
        return self.post(path, site, password=password, again=password)


@pytest.fixture
def browser(control: Control, clock: ManualClock) -> Browser:
    return Browser(control, clock)


@pytest.fixture
def path(call: Call, control: Control) -> str:
    call("domain add", name="example.org", home="home.example.org")
    call("user add", address="o'hara&co@example.org", name="<b>")
    return invited(call)


def invited(call: Call) -> str:
    link: str = call("user invite", address="o'hara&co@example.org", print=True)["link"]
    return link[link.index("/invite/") :]


def rows(store: Store, statement: Statement) -> list[tuple[Any, ...]]:
    return sorted(result(store.read(lambda tx: tx.all(statement))))


def test_the_form_sets_the_password_and_leads_to_the_mail(browser: Browser, path: str, call: Call) -> None:
    code, shown = browser.get(path)
    assert code == 200
    assert 'value="o&#39;hara&amp;co@example.org"' in shown
    assert f'minlength="{SHORTEST_CHOSEN}"' in shown
    assert browser.set(path) == (303, "")
    assert browser.cookies == 1
    assert call("user show", address="o'hara&co@example.org")["status"] == "active"
    assert [(note.by, note.operation, note.outcome) for note in browser.noted] == [
        ("o'hara&co@example.org", "user password", "done")
    ]
    assert path.rpartition("/")[2] not in str(browser.noted)


def test_another_site_that_sends_the_form_signs_its_visitor_in_to_nobodys_mail(
    browser: Browser, path: str, call: Call
) -> None:
    code, shown = browser.set(path, site="cross-site")
    assert code == 200
    assert browser.cookies == 0
    assert "Your password is set" in shown
    assert re.findall(r'<code id="imap-\w+">([^<]*)', shown) == ["mail.example.net", "1993", "SSL/TLS"]
    assert call("user show", address="o'hara&co@example.org")["status"] == "active"


def test_to_open_the_link_any_number_of_times_changes_nothing(browser: Browser, path: str, store: Store) -> None:
    before = rows(store, _ACCOUNTS), rows(store, _LINKS)
    for method in ("GET", "HEAD", "GET"):
        assert browser.get(path, method)[0] == 200
    assert (rows(store, _ACCOUNTS), rows(store, _LINKS)) == before


def test_a_password_that_will_not_do_shows_the_form_again_and_the_link_stays_good(
    browser: Browser, path: str, store: Store
) -> None:
    before = rows(store, _ACCOUNTS), rows(store, _LINKS)
    for form, said in (
        ({"password": "correct horse", "again": "correct hors"}, "not the same"),
        ({"password": "short", "again": "short"}, f"at least {SHORTEST_CHOSEN} characters"),
        ({}, f"at least {SHORTEST_CHOSEN} characters"),
        ({"password": "a" * (MAX_LENGTH + 1), "again": "a" * (MAX_LENGTH + 1)}, "longer than"),
        ({"password": "correct\0horse", "again": "correct\0horse"}, "NUL"),
    ):
        code, shown = browser.post(path, **form)
        assert code == 400
        assert said in shown
        assert "<form" in shown
        assert "horse" not in shown
    assert (rows(store, _ACCOUNTS), rows(store, _LINKS)) == before
    assert browser.set(path)[0] == 303


def test_a_password_of_any_letters_and_of_the_greatest_length_fits_into_the_form(browser: Browser, path: str) -> None:
    password = "\N{ROCKET}" * MAX_LENGTH
    assert len(urlencode({"address": "a" * 512, "password": password, "again": password})) <= LONGEST_FORM
    assert browser.set(path, password)[0] == 303


def test_a_form_that_is_too_long_is_cut_off(browser: Browser, path: str) -> None:
    assert browser.post(path, password="a" * LONGEST_FORM, again="")[0] == 413


def test_a_link_that_was_used_or_replaced_or_has_expired_says_so(
    browser: Browser,
    path: str,
    call: Call,
    clock: ManualClock,
    store: Store,
) -> None:
    assert browser.set(path)[0] == 303
    before = rows(store, _ACCOUNTS)
    replaced, last = invited(call), invited(call)
    clock.advance(7 * DAY / 1_000_000)
    for each, said in ((path, "used already"), (replaced, "replaced by a newer one"), (last, "has expired")):
        for code, shown in (browser.get(each), browser.set(each, "another one")):
            assert code == 410
            assert said in shown
            assert "<form" not in shown
    assert rows(store, _ACCOUNTS) == before


def test_wrong_links_are_slowed_down_and_then_refused_and_a_good_one_of_an_old_mail_does_not_count(
    browser: Browser,
    path: str,
    call: Call,
) -> None:
    newest = invited(call)
    for _ in range(5 * LIMIT):
        assert browser.get(path)[0] == 410
    assert not browser.court.slept
    for number in range(2 * LIMIT):
        code, shown = browser.get(f"/invite/{number:040}")
        assert code == 404
        assert "no such invitation" in shown
    assert len(browser.court.slept) == LIMIT
    assert browser.get(newest)[0] == 404
    browser.court.clock.advance(901)
    assert browser.get(newest)[0] == 200


@pytest.mark.parametrize("end", ["", "x/", "../admin", "%2e%2e", "%00", "a" * 4000])
def test_what_is_no_link_of_ours_is_404(browser: Browser, path: str, end: str) -> None:
    assert browser.get(f"/invite/{end}")[0] == 404


def test_a_user_who_was_removed_meanwhile_finds_the_link_ended(browser: Browser, path: str, call: Call) -> None:
    call("user remove", address="o'hara&co@example.org")
    code, shown = browser.set(path)
    assert code == 410
    assert "needed no more" in shown


def test_where_it_cannot_be_told_now_one_is_asked_to_come_again(browser: Browser, path: str) -> None:
    async def failing(*_: Any, **__: Any) -> None:
        raise Temporary("the database is away")

    browser.control.store.read = failing  # type: ignore[assignment]
    for code, shown in (browser.get(path), browser.set(path)):
        assert code == 503
        assert "try again" in shown


def test_pages_have_no_script_no_inline_style_and_ask_for_nothing_elsewhere(browser: Browser, path: str) -> None:
    for _, shown in (browser.get(path), browser.get("/invite/x"), browser.set(path, site="cross-site")):
        assert not re.search(r"<script>|style=|\son\w+=|https?:", shown)
        assert 'lang="en"' in shown
        assert 'name="viewport"' in shown
        assert "<b>" not in shown
