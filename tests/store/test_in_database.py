"""Messages in the database: in which order they become durable, and what becomes of those that nobody names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pysqlite3.dbapi2 as sqlite
import pytest

from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import DAY, HOUR, MINUTE, SECOND
from mpcontinuity.model.errors import Temporary
from mpcontinuity.store.bodies import pieces, references
from mpcontinuity.store.bodies.database import STEP
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.bodies.pieces import PIECE
from mpcontinuity.store.sqlite.driver import DATABASE
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.store.upkeep import garbage
from mpcontinuity.store.upkeep.reconcile import repair_unrecorded
from tests.fakes.clock import ManualClock
from tests.fakes.drivers import HookedDriver
from tests.fakes.stores import data_folder, open_memory_like_store, result
from tests.store.messages import MEGABYTE, bodies, head, keep

STORED = Statement("SELECT DISTINCT body FROM content ORDER BY body")
LARGEST = Statement("SELECT MAX(LENGTH(data)) FROM content")


class Away(sqlite.OperationalError):  # type: ignore[misc]
    sqlite_errorcode = 10


class Traced:
    """A store that tells what is done to its database, and whose commits fail on order."""

    def __init__(self, tmp_path: Path, clock: ManualClock | None = None) -> None:
        self.steps: list[str] = []
        self.fails_at = ""  # how a statement begins
        driver = HookedDriver(data_folder(tmp_path) / DATABASE, self._hook)
        self.store = open_memory_like_store(tmp_path, clock=clock, driver=driver, messages="database")

    def _hook(self, text: str) -> None:
        self.steps.append(text.split(" (")[0])
        if self.fails_at and text.startswith(self.fails_at):
            raise Away("disk I/O error")

    def of(self, size: int) -> list[str]:
        self.steps.clear()
        keep(self.store, b"x" * size).addCallback(lambda _: self.steps.append("the Deferred fires"))
        return [step for step in self.steps if not step.startswith("PRAGMA")]


@pytest.fixture
def traced(tmp_path: Path, clock: ManualClock) -> Traced:
    return Traced(tmp_path, clock)


def stored(store: Store) -> list[int]:
    return [row[0] for row in result(store.read(lambda tx: tx.all(STORED)))]


def for_home(store: Store, content: bytes) -> Body:
    """Kept before the final dot goes to home."""
    draft = store.bodies.draft()
    draft.write(content)
    return result(store.bodies.keep(draft, head(store, recipients=("u@a.example",), subject="Hello")))


def test_a_message_and_its_index_are_one_transaction(traced: Traced) -> None:
    whole = ["BEGIN IMMEDIATE", "INSERT INTO content", "INSERT INTO body", "COMMIT", "the Deferred fires"]
    assert traced.of(4096) == whole
    assert traced.of(3 * PIECE) == whole


def test_a_large_message_goes_in_by_bounded_transactions_before_its_index(traced: Traced) -> None:
    steps = traced.of(3 * MEGABYTE)
    assert steps[-4:] == ["BEGIN IMMEDIATE", "INSERT INTO body", "COMMIT", "the Deferred fires"]
    transactions = "|".join(steps).split("COMMIT")[:-2]
    assert len(transactions) == 6
    assert all(0 < each.count("INSERT INTO content") <= 5 for each in transactions)
    assert result(traced.store.read(lambda tx: tx.value(LARGEST))) == PIECE


@pytest.mark.parametrize("size", [4096, 3 * MEGABYTE])
def test_what_home_is_handed_is_committed_before(traced: Traced, size: int) -> None:
    traced.steps.clear()
    draft = traced.store.bodies.draft()
    draft.write(b"x" * size)
    kept = traced.store.bodies.keep(draft, head(traced.store))
    kept.addCallback(lambda _: traced.steps.append("the Deferred fires"))
    assert [step for step in traced.steps if "PRAGMA" not in step][-3:] == [
        "INSERT INTO content",
        "COMMIT",
        "the Deferred fires",
    ]


@pytest.mark.parametrize("statement", ["INSERT INTO content", "COMMIT"])
@pytest.mark.parametrize("size", [4096, 3 * MEGABYTE])
def test_a_database_that_fails_refuses_the_message_and_goes_on_when_it_is_back(
    traced: Traced, size: int, statement: str
) -> None:
    traced.fails_at = statement
    with pytest.raises(Temporary):
        result(keep(traced.store, b"x" * size))
    with pytest.raises(Temporary):
        for_home(traced.store, b"x" * size)
    assert traced.store.bodies.spooled == 0
    traced.fails_at = ""
    kept = result(keep(traced.store, b"y" * size))
    assert result(bodies(traced.store)) == [kept]
    assert stored(traced.store) == [kept.id]
    assert result(traced.store.bodies.read(kept)) == b"y" * size


def test_a_message_that_fails_after_some_of_its_pieces_is_dropped(traced: Traced) -> None:
    commits = 0

    def second_commit(text: str) -> None:
        nonlocal commits
        commits += text == "COMMIT"
        if commits in (2, 3) and text == "COMMIT":  # it is tried once more, alone
            raise Away("disk I/O error")

    traced._hook = second_commit  # type: ignore[method-assign]
    driver: Any = traced.store._engine
    driver._connection._hook = second_commit
    driver._writer._cursor._hook = second_commit
    with pytest.raises(Temporary):
        result(keep(traced.store, b"x" * 3 * MEGABYTE))
    assert commits > 3
    assert stored(traced.store) == []


@pytest.mark.parametrize("size", [100, 3 * MEGABYTE])
def test_what_home_refused_is_dropped_at_once(traced: Traced, size: int) -> None:
    kept = result(keep(traced.store, b"kept"))
    refused = for_home(traced.store, b"x" * size)
    assert stored(traced.store) == [kept.id, refused.id]
    traced.store.bodies.forget(refused.id)
    traced.store.bodies.forget(kept.id)
    assert stored(traced.store) == [kept.id]


@pytest.mark.parametrize("size", [100, 3 * MEGABYTE])
def test_what_nobody_names_is_dropped_when_it_was_found_twice(tmp_path: Path, clock: ManualClock, size: int) -> None:
    store = open_memory_like_store(tmp_path, clock=clock, messages="database")
    nameless = for_home(store, b"x" * size)
    late = for_home(store, b"y" * size)
    named = result(keep(store, b"z" * size, keep_until=clock.now() + 90 * DAY))
    result(store.close())  # the process is killed
    store = open_memory_like_store(tmp_path, clock=clock, messages="database")
    result(garbage.sweep(store))
    clock.advance(DAY / SECOND + 1)
    result(garbage.sweep(store))
    assert stored(store) == [nameless.id, late.id, named.id]
    result(store.run(lambda tx: references.insert_body(tx, late, tx.now + DAY)))
    clock.advance(HOUR / SECOND)
    result(garbage.sweep(store))
    assert stored(store) == [late.id, named.id]
    result(store.close())


def test_a_message_says_of_itself_what_an_index_needs(traced: Traced) -> None:
    draft = traced.store.bodies.draft()
    draft.write(b"content")
    recipients = tuple(f"user{number:04}@{'x' * 60}.example" for number in range(1000))
    said = head(traced.store, recipients=recipients, subject="Hello")
    body = result(traced.store.bodies.keep(draft, said))
    assert body.offset > PIECE  # a head of several pieces
    entry = result(traced.store.read(lambda tx: pieces.entry(tx, body.id)))
    assert entry is not None
    assert (entry.head(), entry.offset, entry.length, entry.crc) == (said, body.offset, body.length, body.crc)
    assert result(traced.store.bodies.read(body)) == b"content"
    assert result(traced.store.read(lambda tx: pieces.entry(tx, 1))) is None


def test_what_home_took_is_recorded_when_the_database_is_back(traced: Traced, clock: ManualClock) -> None:
    store = traced.store
    repaired: list[tuple[str, Body, dict[str, str]]] = []

    def repair(tx: Transaction, head: Head, body: Body, decisions: Mapping[str, str]) -> None:
        repaired.append((head.subject, body, dict(decisions)))

    taken, recorded, redirected = (for_home(store, b"x") for _ in range(3))
    for body, way in ((taken, "relay"), (recorded, "relay"), (redirected, "redirect")):
        store.bodies.outcome(body.id, {"u@a.example": way})
    store.bodies.recorded(recorded.id)
    assert result(repair_unrecorded(store, repair)) == 0  # its commit may still be under way
    clock.advance(2 * MINUTE / SECOND)
    traced.fails_at = "COMMIT"
    with pytest.raises(Temporary):
        result(repair_unrecorded(store, repair))
    traced.fails_at = ""
    repaired.clear()
    assert [result(repair_unrecorded(store, repair)) for _ in range(2)] == [1, 0]
    assert repaired == [("Hello", taken, {"u@a.example": "relay"})]
    assert result(bodies(store)) == [taken]


def test_an_expired_message_is_looked_for_among_many_by_bounded_steps(
    traced: Traced, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(garbage, "_STEP", 3)
    kept = [result(keep(traced.store, b"x" * 10, keep_until=clock.now() + number % 2)) for number in range(20)]
    large = result(keep(traced.store, b"x" * (STEP + PIECE), keep_until=clock.now()))
    result(garbage.sweep(traced.store))
    left = [body.id for number, body in enumerate(kept) if number % 2]
    assert [body.id for body in result(bodies(traced.store))] == left
    assert stored(traced.store) == left
    assert large.id not in left
