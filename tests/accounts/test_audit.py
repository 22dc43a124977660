"""The audit trail grows by what was done, in bounds, and forgets what is older than a year."""

from __future__ import annotations

import pytest

from mpcontinuity.accounts import audit
from mpcontinuity.accounts.audit import MOST_A_DAY, MOST_REFUSED, REMEMBERED, STEP, Act, Audited
from mpcontinuity.model.clock import DAY, MINUTE, SECOND
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.identifier import LAST
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result
from tests.queue.ledgers import Books

_ROWS = Statement("SELECT (SELECT COUNT(*) FROM audit), (SELECT COUNT(*) FROM audit_end)")


@pytest.fixture
def books(store: Store, clock: ManualClock) -> Books:
    return Books(store, clock)


def act(name: str = "olga", domain: str = "example.org", *, bounded: bool = True) -> Act:
    return Act(name, "here", "domain set", "name=example.org", domain, bounded)


def told(books: Books, *, domain: str = "", name: str = "", since: int = 0, before: int = LAST) -> list[Audited]:
    return books.read(audit.listing, domain=domain, name=name, since=since, before=before, limit=1000)


def rows(books: Books) -> tuple[int, ...]:
    return tuple(books.read(lambda tx: tx.one(_ROWS)) or ())


def test_what_has_not_ended_is_begun(books: Books) -> None:
    row = books.run(audit.begin, act=act())
    assert [(each.id, each.time, each.result) for each in told(books)] == [(row, books.clock.now(), "begun")]
    books.clock.advance(5)
    books.run(audit.end, row=row, result="done")
    assert [(each.id, each.result) for each in told(books)] == [(row, "done")]


def test_rows_are_found_newest_first_by_domain_name_time_and_cursor(books: Books) -> None:
    for name, domain in (("olga", "example.org"), ("root", ""), ("oscar", "other.org"), ("root", "example.org")):
        books.clock.advance(1)
        books.run(audit.begin, act=act(name, domain))
    every = told(books)
    assert [row.name for row in every] == ["root", "oscar", "root", "olga"]
    assert told(books, domain="example.org") == [every[0], every[3]]
    assert told(books, name="root") == [every[0], every[2]]
    assert told(books, name="root", domain="example.org") == [every[0]]
    assert told(books, since=every[1].time) == every[:2]
    assert told(books, before=every[1].id) == every[2:]


def test_refusals_of_a_name_fill_a_day_and_no_more_while_what_is_done_is_noted_all_the_same(books: Books) -> None:
    def flood(tx: Transaction) -> None:
        for _ in range(MOST_REFUSED + 50):
            audit.refused(tx, act(), "refused: no")

    books.run(flood)
    assert rows(books) == (MOST_REFUSED, 0)
    row = books.run(audit.begin, act=act())
    assert told(books)[0].id == row
    books.run(audit.refused, act=act("oscar"), result="refused: no")
    assert [each.name for each in told(books)[:2]] == ["oscar", "olga"]
    books.clock.advance(DAY / SECOND + 1)
    books.run(audit.refused, act=act(), result="refused: no")
    assert rows(books)[0] == MOST_REFUSED + 3


@pytest.mark.long
def test_who_does_not_administer_all_domains_does_no_more_than_so_much_a_day(books: Books) -> None:
    def fill(tx: Transaction) -> None:
        for _ in range(MOST_A_DAY // 20):
            audit.begin(tx, act())

    for _ in range(20):
        books.run(fill)
    with pytest.raises(Refused, match="olga has called 20000 operations within 24 hours") as refused:
        books.run(audit.begin, act=act())
    assert refused.value.kind == "conflict"
    books.run(audit.begin, act=act(bounded=False))
    books.run(audit.begin, act=act("oscar"))
    books.clock.advance(DAY / SECOND + 1)
    books.run(audit.begin, act=act())


def test_what_is_older_than_a_year_is_forgotten_and_nothing_else(books: Books) -> None:
    def many(tx: Transaction) -> None:
        for _ in range(STEP + 1):  # more than one step forgets
            audit.end(tx, audit.begin(tx, act()), "done")

    books.run(many)
    books.clock.advance(MINUTE / SECOND)
    newest = books.run(audit.begin, act=act())
    books.run(audit.end, row=newest, result="done")
    books.clock.advance((REMEMBERED - MINUTE / 2) / SECOND)
    result(audit.sweep(books.store))
    assert [(row.id, row.result) for row in told(books)] == [(newest, "done")]
    assert rows(books) == (1, 1)
    books.clock.advance(MINUTE / SECOND)
    result(audit.sweep(books.store))
    assert rows(books) == (0, 0)
