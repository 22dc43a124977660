"""What every database must do for the store: nothing here knows which one it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from mpcontinuity.model.events import DomainsChanged, MailboxListChanged, Notice
from mpcontinuity.store.driver import Conflict
from mpcontinuity.store.statement import Rows, Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from tests.contracts.databases import DATABASES, Open
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result
from tests.store.messages import MEGABYTE, bodies, keep

LARGEST = 2**63 - 1

DOMAIN = Statement("INSERT INTO domain (id, name) VALUES (:id, :name)")
ACCOUNT = Statement("INSERT INTO account (id, domain, address) VALUES (:id, :domain, :address)")
NAMES = Statement("SELECT id, name FROM domain ORDER BY id")
BY_ID = Statement("SELECT name FROM domain WHERE id IN [:ids] ORDER BY id")
NOT_BY_NAME = Statement("SELECT id FROM domain WHERE name NOT IN [:names] ORDER BY id")
DELETE = Statement("DELETE FROM domain WHERE id = :id")
COUNT = Statement("UPDATE domain SET uptime = uptime + :add WHERE id >= :from RETURNING id, uptime")
RAISE = Statement("UPDATE domain SET uptime = uptime + 1")
UPSERT = Statement(
    "INSERT INTO taken (key, time) VALUES (:key, :time) ON CONFLICT (key) DO UPDATE SET time = excluded.time"
)
DOMAINS = Rows("INSERT INTO domain (id, name) VALUES [2] RETURNING id")
RAISE_EACH = Rows(
    "WITH more (domain, time) AS (VALUES [2])"
    " UPDATE domain SET uptime = uptime + more.time FROM more WHERE id = more.domain RETURNING id, uptime"
)
TAKEN = Statement("SELECT key, time FROM taken ORDER BY key")
ANSWERED = Statement("INSERT INTO answered (fingerprint, time, text) VALUES (:fingerprint, 1, :text)")
TEXTS = Statement("SELECT fingerprint, text FROM answered WHERE fingerprint = :fingerprint")
BY_ROW = Statement("SELECT id FROM domain WHERE (uptime, id) > (:uptime, :id) ORDER BY uptime, id")


@pytest.fixture(params=DATABASES, ids=str)
def open_one(request: pytest.FixtureRequest) -> Open:
    return DATABASES[request.param]


@pytest.fixture
def store(open_one: Open, tmp_path: Path, clock: ManualClock) -> Iterator[Store]:
    opened = open_one(tmp_path, clock, 1)
    yield opened
    result(opened.close())


def domains(*names: str) -> Callable[[Transaction], None]:
    def work(tx: Transaction) -> None:
        for number, name in enumerate(names, 1):
            tx.run(DOMAIN, id=number, name=name)

    return work


def names_of(ids: Sequence[int], tx: Transaction) -> list[str]:
    return [row[0] for row in tx.all(BY_ID, ids=ids)]


def test_values_come_back_as_they_went_in(store: Store) -> None:
    text = "Grüße \U0001f4e8 'quoted' \x01"
    blob = bytes(range(256))
    result(store.run(lambda tx: tx.run(DOMAIN, id=LARGEST, name=text)))
    result(store.run(lambda tx: tx.run(ANSWERED, fingerprint=blob, text=text)))
    assert result(store.read(lambda tx: tx.all(NAMES))) == [(LARGEST, text)]
    assert result(store.read(lambda tx: tx.one(TEXTS, fingerprint=blob))) == (blob, text)


def test_what_is_not_there_is_none_or_empty(store: Store) -> None:
    assert result(store.read(lambda tx: (tx.all(NAMES), tx.one(NAMES), tx.value(NAMES)))) == ([], None, None)


def test_a_list_may_have_any_length(store: Store) -> None:
    result(store.run(domains("a", "b", "c")))
    expected: list[tuple[Sequence[int], list[str]]] = [
        ((), []),
        ((2,), ["b"]),
        ((1, 3, LARGEST), ["a", "c"]),
        (range(5000), ["a", "b", "c"]),
    ]
    for ids, names in expected:
        assert result(store.read(partial(names_of, ids))) == names
    assert result(store.read(lambda tx: tx.all(NOT_BY_NAME, names=["a", "it's"]))) == [(2,), (3,)]
    assert len(result(store.read(lambda tx: tx.all(NOT_BY_NAME, names=[])))) == 3


def test_returning_gives_the_rows_and_run_their_number(store: Store) -> None:
    result(store.run(domains("a", "b", "c")))
    counted = result(store.run(lambda tx: tx.all(COUNT, add=5, **{"from": 2})))
    assert sorted(counted) == [(2, 5), (3, 5)]
    assert result(store.run(lambda tx: tx.one(COUNT, add=1, **{"from": 3}))) == (3, 6)
    assert result(store.run(lambda tx: tx.run(RAISE))) == 3


def test_an_upsert_changes_what_is_there(store: Store) -> None:
    rows = [{"key": key, "time": time} for time, key in enumerate("abca", 1)]
    result(store.run(lambda tx: tx.many(UPSERT, rows)))
    assert result(store.read(lambda tx: tx.all(TAKEN))) == [("a", 4), ("b", 2), ("c", 3)]


@pytest.mark.parametrize("number", [0, 1, 2, 31, 47, 65])
def test_a_statement_over_rows_takes_any_number_and_returns_what_all_of_it_returns(store: Store, number: int) -> None:
    rows = [(key, f"n{key}") for key in range(1, number + 1)]
    assert sorted(result(store.run(lambda tx: tx.rows(DOMAINS, rows)))) == [(key,) for key, _ in rows]
    assert result(store.read(lambda tx: tx.all(NAMES))) == rows
    more = [(key, 10 * key) for key, _ in rows[1:]]
    assert sorted(result(store.run(lambda tx: tx.rows(RAISE_EACH, more)))) == more


def test_row_values_compare_in_order(store: Store) -> None:
    result(store.run(domains("a", "b", "c")))
    result(store.run(lambda tx: tx.all(COUNT, add=5, **{"from": 3})))
    assert result(store.read(lambda tx: tx.all(BY_ROW, uptime=0, id=1))) == [(2,), (3,)]


@pytest.mark.parametrize(
    "violate",
    [
        lambda tx: tx.run(DOMAIN, id=9, name="a"),
        lambda tx: tx.run(DOMAIN, id=1, name="z"),
        lambda tx: tx.run(DOMAIN, id=9, name=None),
        lambda tx: tx.run(ACCOUNT, id=1, domain=77, address="u@nowhere"),
        lambda tx: tx.run(DELETE, id=2),
    ],
    ids=["unique", "primary key", "not null", "no such row", "referred to"],
)
def test_each_constraint_is_a_conflict_and_the_transaction_is_undone(
    store: Store, violate: Callable[[Transaction], int]
) -> None:
    def work(tx: Transaction) -> None:
        tx.run(DOMAIN, id=5, name="before")
        violate(tx)

    result(store.run(domains("a", "b")))
    result(store.run(lambda tx: tx.run(ACCOUNT, id=1, domain=2, address="u@b")))
    with pytest.raises(Conflict):
        result(store.run(work))
    assert result(store.read(lambda tx: tx.all(NAMES))) == [(1, "a"), (2, "b")]


def test_time_and_ids_are_the_stores(store: Store, clock: ManualClock) -> None:
    assert result(store.run(lambda tx: tx.now)) == clock.now()
    clock.advance(1.5)
    assert result(store.read(lambda tx: tx.now)) == clock.now()
    first, second = result(store.run(lambda tx: (tx.identifier(), tx.identifier())))
    assert first < second < store.identifiers.next()


def test_notices_are_heard_once_after_the_commit_and_in_its_order(store: Store) -> None:
    heard: list[Notice] = []
    store.listen(heard.extend)

    def work(tx: Transaction) -> None:
        tx.announce(DomainsChanged())
        tx.announce(MailboxListChanged(7))
        tx.announce(DomainsChanged())

    result(store.run(work))
    assert heard == [DomainsChanged(), MailboxListChanged(7)]


def test_a_reader_sees_whole_transactions(store: Store) -> None:
    result(store.run(domains("a", "b")))
    result(store.run(lambda tx: [tx.run(DELETE, id=1), tx.run(DOMAIN, id=3, name="a")]))
    assert result(store.read(lambda tx: [tx.all(NAMES), tx.all(NAMES)])) == [[(2, "b"), (3, "a")]] * 2


def test_what_was_committed_is_there_for_the_next_process(open_one: Open, tmp_path: Path, clock: ManualClock) -> None:
    first = open_one(tmp_path, clock, 1)
    kept = [result(keep(first, b"x" * size)) for size in (0, 5, 2 * MEGABYTE)]
    result(first.close())
    second = open_one(tmp_path, clock, 2)
    assert set(result(bodies(second))) == set(kept)
    assert result(second.bodies.read_many(kept)) == [b"", b"x" * 5, b"x" * 2 * MEGABYTE]
    result(second.close())
