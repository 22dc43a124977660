"""What is due, page by page, and at a price that does not grow with the backlog."""

from __future__ import annotations

import pytest

from mpcontinuity.model.clock import DAY, HOUR, MINUTE, SECOND
from mpcontinuity.model.events import TrackingEvent
from mpcontinuity.model.owed import IN_DOUBT, OWED
from mpcontinuity.queue import due, leases, owed
from mpcontinuity.queue.due import START
from mpcontinuity.store.statement import Statement
from tests.queue.ledgers import Books


def pages(books: Books, monkeypatch: pytest.MonkeyPatch, size: int) -> list[list[int]]:
    monkeypatch.setattr(due, "PAGE", size)
    found, place = [], START
    while page := books.read(due.due, domain=books.domain.id, after=place):
        found.append([row.id for row in page])
        place = page[-1].place
    return found


def test_each_row_is_in_one_page_what_waited_for_home_first(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    now = books.clock.now()
    later = [books.redirect("anna", next_attempt=now + n) for n in (30, 10, 20, 10)]
    waiting = [books.redirect(name) for name in ("anna", "bert", "nobody", "anna")]
    doubtful = books.redirect("bert", state=IN_DOUBT, next_attempt=now + 15)
    books.redirect("anna", next_attempt=now + MINUTE)
    books.redirect("anna", state=IN_DOUBT, token=7, next_attempt=now + 1)  # somebody waits for a late reply
    books.clock.advance(1)
    in_order = [*waiting, later[1], later[3], doubtful, later[2], later[0]]
    for size in (1, 2, 3, 100):
        found = pages(books, monkeypatch, size)
        assert [row for page in found for row in page] == in_order
        assert all(len(page) <= size for page in found)


def test_whose_it_is(books: Books) -> None:
    books.redirect("anna")
    books.redirect("Nobody")
    rows = books.read(due.due, domain=books.domain.id, after=START)
    assert [row.user for row in rows] == [books.accounts["anna"], "nobody@example.org"]


def test_when_the_next_one_is_due(books: Books) -> None:
    domain = books.domain.id
    assert books.read(due.next_due, domain=domain) is None
    books.redirect("anna", state=IN_DOUBT, token=7, next_attempt=5)
    assert books.read(due.next_due, domain=domain) == owed.LATE_REPLY
    books.redirect("anna", next_attempt=books.clock.now() + SECOND)
    assert books.read(due.next_due, domain=domain) == SECOND


def test_a_recovery_makes_all_due_but_what_is_in_doubt(books: Books) -> None:
    row, doubtful = (
        books.redirect("anna", next_attempt=9 * MINUTE),
        books.redirect("bert", state=IN_DOUBT, next_attempt=MINUTE),
    )
    assert books.run(due.make_due, domain=books.domain.id) == 1
    assert books.row(row).next_attempt == 0
    assert books.row(doubtful).next_attempt == MINUTE
    assert books.read(due.domains_with_owed) == [books.domain.id]


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("statement", "parameters", "index"),
    [
        (due._DUE, {"domain": 1, "now": 1, "next_attempt": 0, "id": 0, "page": 1}, "(domain=? AND state=? AND next_"),
        (due._OF_USER["account"], {"user": 1, "now": 1, "first": 0, "page": 1}, "(account=? AND state=? AND id>?)"),
        (owed._CANDIDATES, {"ids": [1], "now": 1, "give_up": 1}, "INTEGER PRIMARY KEY (rowid=?)"),
        (owed._CLAIM, {"ids": [1], "now": 1, "token": 1, "until": 1}, "INTEGER PRIMARY KEY (rowid=?)"),
    ],
)
def test_sqlite_takes_the_right_index(
    books: Books, statement: Statement, parameters: dict[str, object], index: str
) -> None:
    """The other one walks over the whole backlog: 34 ms for a claim out of 100,000 rows, instead of 0.1."""
    text = "EXPLAIN QUERY PLAN " + statement.sqlite
    lists = {name: "[1]" for name in ("ids", "spared") if f":{name}" in text}
    plan = books.read(lambda tx: tx.all(Statement(text), **{**parameters, **lists}))
    searches = [row[3] for row in plan if row[3].startswith("SEARCH owed")]
    assert searches
    assert all(index in search for search in searches), searches


def test_what_a_wrong_clock_put_off_for_longer_than_any_try_is_due(books: Books) -> None:
    far, near = (
        books.redirect(name, next_attempt=books.clock.now() + at) for name, at in (("anna", 400 * DAY), ("bert", HOUR))
    )
    doubtful = books.redirect("bert", state=IN_DOUBT, next_attempt=books.clock.now() + 400 * DAY)
    assert books.run(due.bring_near, longest=HOUR) == 2
    assert [books.row(row).next_attempt == 0 for row in (far, near, doubtful)] == [True, False, True]
    assert [row.id for row in books.read(due.due, domain=books.domain.id, after=START)] == [far, doubtful]


def test_what_the_flush_refused_is_not_due_within_its_run_however_short_the_longest_try(books: Books) -> None:
    row = books.redirect("anna")
    (claimed,) = books.run(owed.claim, ids=[row], give_up=DAY)
    at = books.clock.now() + HOUR
    refused = TrackingEvent(books.clock.now(), "h", 550, "5.1.1 unknown")
    books.run(owed.try_later, owed_id=row, token=claimed.token, event=refused, next_attempt=at, run=7)
    assert books.run(due.bring_near, longest=SECOND) == 0
    books.clock.advance(-30)
    assert books.run(due.bring_near, longest=SECOND) == 1


def test_a_lease_that_ends_later_than_any_was_taken_by_a_wrong_clock(books: Books) -> None:
    row = books.redirect("anna")
    books.clock.advance(86400 * 400)
    books.run(owed.claim, ids=[row], give_up=DAY)
    books.clock.rightNow -= 86400 * 400
    assert books.run(leases.sweep) == 1
    assert books.state(row) == OWED
