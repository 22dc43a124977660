"""The watch of the users' side of home servers: what counts, how often, and where it is kept."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
import pytest
from twisted.internet.defer import succeed

from mpcontinuity.accounts import domains, home_users
from mpcontinuity.accounts.directory import Directory
from mpcontinuity.homes import user_side
from mpcontinuity.homes.user_side import UserSide
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.outbound.https import Answer, Unanswered
from mpcontinuity.outbound.imap.opening import Fault, ImapLogin, NoSession
from mpcontinuity.store.store import Store
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result
from tests.queue.ledgers import Books

IMAP = "imaps://probe:secret@imap.example.org"
PAGE = "https://probe:secret@mail.example.org/owa"


class Session:
    def logout(self) -> None:
        """As an ImapSession does."""


class Site:
    """A domain, whose users' side answers as ``imap`` and ``page`` say."""

    def __init__(self, store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
        self.books = Books(store, clock)
        self.clock = clock
        self.imap: Any = Session()
        self.page: Any = 200
        self.asked: list[Any] = []
        monkeypatch.setattr(user_side, "open_session", self._open_session)
        self.side = UserSide(store, Directory(store), None, self, clock)  # type: ignore[arg-type]

    async def _open_session(self, environment: object, server: Any, login: ImapLogin | None) -> Any:
        self.asked.append((server.url.shown, login))
        return self.imap

    async def ask(self, method: str, url: str, *, headers: dict[str, str], private: bool, **_: Any) -> Answer:
        """HttpsClient.ask."""
        assert private
        self.asked.append((url, headers))
        await succeed(None)
        if isinstance(self.page, Exception):
            raise self.page
        return Answer(self.page, {}, b"")

    def watch(self, *urls: str) -> None:
        settings: DomainSettings = msgspec.structs.replace(self.books.domain.settings, home_users=urls)
        self.books.run(domains.change, domain=self.books.domain, settings=settings)

    def passes(self, seconds: int) -> None:
        for _ in range(0, seconds, 5):
            result(self.side.look())
            self.clock.advance(5)

    def out(self) -> str:
        return self.books.read(partial(home_users.find, domain=self.books.domain.id)).out


@pytest.fixture
def site(store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(store, clock, monkeypatch)


def test_a_login_that_fails_twice_is_an_outage_of_users_within_a_minute(site: Site) -> None:
    site.watch(IMAP)
    site.passes(120)
    assert site.out() == ""
    site.imap = NoSession(Fault.REFUSED, "imap.example.org:993: login failed")
    site.passes(60)
    assert site.out() == "imap.example.org:993: login failed"
    site.imap = Session()
    site.passes(60)
    assert site.out() == ""


def test_one_failure_is_chance_and_flapping_changes_nothing(site: Site) -> None:
    site.watch(IMAP)
    site.passes(30)
    for _ in range(10):
        site.imap = NoSession(Fault.NOT_NOW, "too many")
        asked = len(site.asked)
        while len(site.asked) == asked:
            site.passes(5)
        site.imap = Session()
        site.passes(60)
        assert site.out() == ""


def test_it_is_asked_twice_a_minute_and_no_more(site: Site) -> None:
    site.watch(IMAP, PAGE)
    site.passes(600)
    assert len(site.asked) == 2 * 20
    assert site.asked[0] == ("imap.example.org:993", ImapLogin("probe", "secret"))
    assert site.asked[1] == ("https://mail.example.org/owa", {"Authorization": "Basic cHJvYmU6c2VjcmV0"})
    assert "secret" not in repr(site.asked[0])


@pytest.mark.parametrize(
    ("url", "page", "out"),
    [
        (PAGE, 200, False),
        (PAGE, 302, False),
        (PAGE, 401, True),
        (PAGE, 503, True),
        ("https://mail.example.org", 401, False),  # it asks who we are, so it is there
        ("https://mail.example.org", 500, True),
        (PAGE, Unanswered("mail.example.org:443: refused"), True),
        (PAGE, Unanswered("mail.example.org:443: too much", too_large=True), False),
    ],
)
def test_what_a_page_says(site: Site, url: str, page: Any, out: bool) -> None:
    site.watch(url)
    site.page = page
    site.passes(60)
    assert bool(site.out()) is out


def test_where_nobody_watches_any_more_nothing_is_found(site: Site) -> None:
    site.watch(IMAP)
    site.imap = NoSession(Fault.UNREACHABLE, "no connection")
    site.passes(60)
    assert site.out()
    site.watch()
    site.passes(10)
    assert site.out() == ""


def test_what_was_found_is_known_after_a_restart(site: Site) -> None:
    site.watch(IMAP)
    site.imap = NoSession(Fault.UNREACHABLE, "no connection")
    site.passes(60)
    site.side = UserSide(site.books.store, Directory(site.books.store), None, site, site.clock)  # type: ignore[arg-type]
    site.imap = Session()
    site.passes(5)
    assert site.out() == "no connection"
    site.passes(30)
    assert site.out() == ""
