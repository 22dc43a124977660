"""Secrets in links: good for what they were made for, as often and as long as that allows, and kept nowhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from mpcontinuity.accounts import links
from mpcontinuity.accounts.links import ALERT, INVITATION, REMEMBERED, STEP, Link
from mpcontinuity.model.clock import DAY, HOUR
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.settings import Listen, Public, Settings
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from tests.fakes.clock import ManualClock, SeededRandomness
from tests.fakes.stores import result

T = TypeVar("T")

_ROWS = Statement("SELECT digest, purpose, subject, about, created, expires, used, ended FROM link")


class Kept:
    """A store, and what is done to its links."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def run(self, work: Callable[..., T], *arguments: Any) -> T:
        return result(self.store.run(lambda tx: work(tx, *arguments)))

    def read(self, work: Callable[..., T], *arguments: Any) -> T:
        return result(self.store.read(lambda tx: work(tx, *arguments)))


@pytest.fixture
def books(store: Store) -> Kept:
    return Kept(store)


SECRET = links.secret(SeededRandomness(1))
OTHER = links.secret(SeededRandomness(2))


def refused(work: Callable[[], object]) -> str:
    with pytest.raises(Refused) as error:
        work()
    assert "\n" not in str(error.value)
    return str(error.value)


def rows(books: Kept) -> list[tuple[Any, ...]]:
    return sorted(books.read(lambda tx: tx.all(_ROWS)))


def test_an_invitation_is_found_any_number_of_times_and_used_once(books: Kept, clock: ManualClock) -> None:
    made = books.run(links.make, INVITATION, SECRET, "anna", "for her")
    clock.advance(HOUR / 1_000_000)
    assert made == books.read(links.find, INVITATION, SECRET) == books.read(links.find, INVITATION, SECRET)
    assert books.run(links.use, INVITATION, SECRET) == made
    before = rows(books)
    assert "used already" in refused(lambda: books.run(links.use, INVITATION, SECRET))
    assert "used already" in refused(lambda: books.read(links.find, INVITATION, SECRET))
    assert rows(books) == before


def test_the_link_of_an_alert_is_used_for_a_day_as_often_as_one_likes(books: Kept, clock: ManualClock) -> None:
    books.run(links.make, ALERT, SECRET, "olga", "example.org")
    assert books.run(links.use, ALERT, SECRET).used == 0
    clock.advance((DAY - HOUR) / 1_000_000)
    assert books.run(links.use, ALERT, SECRET).used > 0
    clock.advance(HOUR / 1_000_000)
    assert "has expired" in refused(lambda: books.run(links.use, ALERT, SECRET))


@pytest.mark.parametrize("altered", [SECRET[:-1], SECRET + "a", SECRET[1:] + SECRET[0], "", "\udcff", "a" * 100_000])
def test_a_secret_that_was_altered_finds_nothing_and_changes_nothing(books: Kept, altered: str) -> None:
    books.run(links.make, INVITATION, SECRET, "anna")
    before = rows(books)
    assert "no such invitation" in refused(lambda: books.run(links.use, INVITATION, altered))
    assert rows(books) == before


def test_a_secret_that_was_typed_in_capitals_or_with_blanks_is_the_same(books: Kept) -> None:
    books.run(links.make, INVITATION, SECRET, "anna")
    assert books.read(links.find, INVITATION, f" {SECRET.upper()}\n").subject == "anna"


def test_a_link_is_good_for_its_own_purpose_only(books: Kept) -> None:
    books.run(links.make, ALERT, SECRET, "anna")
    assert "no such invitation" in refused(lambda: books.run(links.use, INVITATION, SECRET))
    assert books.run(links.use, ALERT, SECRET).used == 0


def test_a_newer_invitation_of_the_same_subject_ends_the_older_one_alone(books: Kept) -> None:
    books.run(links.make, INVITATION, SECRET, "anna")
    books.run(links.make, INVITATION, OTHER, "bert")
    newest = links.secret(SeededRandomness(3))
    books.run(links.make, INVITATION, newest, "anna")
    assert "replaced by a newer one" in refused(lambda: books.read(links.find, INVITATION, SECRET))
    assert books.read(links.find, INVITATION, newest).subject == "anna"
    assert books.read(links.find, INVITATION, OTHER).subject == "bert"


def test_open_links_of_a_subject_are_bounded_and_the_newest_stay(books: Kept, clock: ManualClock) -> None:
    secrets = [links.secret(SeededRandomness(seed)) for seed in range(ALERT.most + 3)]
    for secret in secrets:
        books.run(links.make, ALERT, secret, "olga")
        clock.advance(1)
    for secret in secrets[:3]:
        assert "replaced by a newer one" in refused(lambda secret=secret: books.read(links.find, ALERT, secret))  # type: ignore[misc]
    assert [books.read(links.find, ALERT, secret).subject for secret in secrets[3:]] == ["olga"] * ALERT.most


def test_what_is_ended_is_good_no_more_and_what_was_used_says_so(books: Kept) -> None:
    books.run(links.make, INVITATION, SECRET, "anna")
    books.run(links.end, INVITATION, "bert")
    assert books.read(links.newest, INVITATION, "anna") == books.read(links.find, INVITATION, SECRET)
    books.run(links.end, INVITATION, "anna")
    assert "needed no more" in refused(lambda: books.run(links.use, INVITATION, SECRET))
    assert books.read(links.newest, INVITATION, "anna") is None


def test_links_made_of_late_are_counted(books: Kept, clock: ManualClock) -> None:
    begin = clock.now() - 1
    for seed in range(3):
        books.run(links.make, INVITATION, links.secret(SeededRandomness(seed)), "anna", "by root")
        clock.advance(60)
    assert books.read(links.made_for, INVITATION, "anna", begin) == 3
    assert books.read(links.made_for, INVITATION, "anna", clock.now() - 90 * 1_000_000) == 1
    assert books.read(links.made_for, ALERT, "anna", begin) == 0
    assert books.read(links.made_about, INVITATION, "by root", begin) == 3
    assert books.read(links.made_about, INVITATION, "by olga", begin) == 0


def test_what_has_expired_says_so_for_a_month_and_is_forgotten_then(books: Kept, clock: ManualClock) -> None:
    for seed in range(STEP + 1):
        books.run(links.make, INVITATION, links.secret(SeededRandomness(10 + seed)), f"user {seed}")
    clock.advance((INVITATION.lasts + REMEMBERED) / 1_000_000 - 1)
    books.run(links.make, INVITATION, OTHER, "bert")
    result(links.sweep(books.store))
    assert len(rows(books)) == STEP + 2
    clock.advance(1)
    result(links.sweep(books.store))
    assert [row[2] for row in rows(books)] == ["bert"]


def test_the_secret_is_not_in_the_database(books: Kept, store: Store, tmp_path: Path) -> None:
    books.run(links.make, INVITATION, SECRET, "anna", "about her")
    for row in rows(books):
        assert all(SECRET not in str(value) and SECRET.encode() not in bytes(str(value), "utf-8") for value in row)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Settings(hostname="mail.example.org"), "https://mail.example.org:8443/invite/x"),
        (Settings(public=Public(host="web.example.org", ports={"web": 443})), "https://web.example.org/invite/x"),
        (
            Settings(hostname="[IPv6:2001:db8::1]", listen=Listen(web=("haproxy:tcp:444", "tcp:1"))),
            "https://[2001:db8::1]:444/invite/x",
        ),
        (
            Settings(listen=Listen(web=("unix:/run/web", "tcp:port=444:interface=::1"))),
            "https://localhost:444/invite/x",
        ),
    ],
)
def test_a_link_leads_where_the_public_reaches_us(settings: Settings, expected: str) -> None:
    assert links.url(settings, INVITATION, "x") == expected


def test_no_link_is_made_that_would_lead_nowhere() -> None:
    assert "is off" in refused(lambda: links.url(Settings(listen=Listen(web=())), INVITATION, "x"))


def test_a_link_tells_what_its_maker_wanted(books: Kept) -> None:
    assert isinstance(books.run(links.make, ALERT, SECRET, "olga", "x"), Link)
    assert books.run(links.use, ALERT, SECRET).about == "x"
