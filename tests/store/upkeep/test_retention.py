"""Packs go when their day has come, and what is still needed lives on."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import DAY, SECOND
from mpcontinuity.store.bodies import references
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.store.upkeep import retention
from mpcontinuity.store.upkeep.reconcile import reconcile
from mpcontinuity.store.upkeep.retention import sweep
from tests.fakes.clock import ManualClock
from tests.fakes.stores import open_memory_like_store, result
from tests.store.messages import MEGABYTE, PACKS, bodies, keep

ACCOUNT = (
    Statement("INSERT INTO domain (id, name) VALUES (1, 'a.example')"),
    Statement("INSERT INTO account (id, domain, address) VALUES (1, 1, 'u@a.example')"),
    Statement("INSERT INTO mailbox (id, account, name, uidvalidity) VALUES (1, 1, 'INBOX', 1)"),
)
REFERENCES = {
    "entry": Statement(
        "INSERT INTO entry (id, body, modseq, internaldate, size, rendered)"
        " VALUES (4294967296 + :id % 1000000, :id, 1, 0, 1, :blob)"
    ),
    "owed": Statement(
        "INSERT INTO owed (id, domain, body, recipient, received) VALUES (:id, 1, :id, 'u@a.example', 0)"
    ),
    "archive": Statement("INSERT INTO archive (id, domain, body, time, direction) VALUES (:id, 1, :id, 0, 'inbound')"),
}


def make_account(tx: Transaction) -> None:
    for statement in ACCOUNT:
        tx.run(statement)


def referring(table: str, tx: Transaction, body: Body) -> Body:
    if table == "keep_longer":
        references.keep_longer(tx, body.id, tx.now + 400 * DAY)
    elif table:
        statement = REFERENCES[table]
        parameters = {"id": body.id, "blob": b""} if table == "entry" else {"id": body.id}
        tx.run(statement, **parameters)
    return body


def pass_days(store: Store, clock: ManualClock, days: int) -> None:
    """Days, and the hourly rounds of housekeeping at their end."""
    clock.advance(days * DAY / SECOND)
    result(reconcile(store, lambda *_: None))
    result(sweep(store))
    clock.advance(11 * 60)
    result(sweep(store))


@pytest.fixture
def later(tmp_path: Path, clock: ManualClock) -> Store:
    """A store with an account, whose packs are those of an earlier process."""
    store = open_memory_like_store(tmp_path, clock=clock)
    result(store.run(make_account))
    return store


def reopened(store: Store, tmp_path: Path, clock: ManualClock) -> Store:
    result(store.close())
    return open_memory_like_store(tmp_path, clock=clock)


@pytest.mark.parametrize("size", [1000, 2 * MEGABYTE])
def test_what_nothing_refers_to_goes_with_its_pack(tmp_path: Path, later: Store, clock: ManualClock, size: int) -> None:
    for _ in range(3):
        result(keep(later, b"x" * size, partial(referring, "")))
    store = reopened(later, tmp_path, clock)
    pass_days(store, clock, 89)
    assert len(result(bodies(store))) == 3
    pass_days(store, clock, 2)
    assert result(bodies(store)) == []
    assert result(store.read(lambda tx: tx.all(PACKS))) == []
    assert store.packs.numbers() == []


@pytest.mark.parametrize("reference", ["entry", "owed", "archive", "keep_longer"])
def test_what_something_refers_to_is_moved_and_the_pack_goes(
    tmp_path: Path, later: Store, clock: ManualClock, reference: str
) -> None:
    needed = [
        result(keep(later, b"needed" * number, partial(referring, reference), keep_until=1)) for number in (1, 50)
    ]
    for _ in range(10):
        result(keep(later, b"x" * 1000, keep_until=1))
    store = reopened(later, tmp_path, clock)
    pass_days(store, clock, 92)
    moved = result(bodies(store))
    assert [body.id for body in moved] == [body.id for body in needed]
    assert {body.pack for body in moved}.isdisjoint(body.pack for body in needed)
    assert result(store.bodies.read_many(moved)) == [b"needed", b"needed" * 50]
    assert store.packs.numbers() == [moved[0].pack]


def test_a_reader_with_an_old_row_reads_the_row_again(tmp_path: Path, later: Store, clock: ManualClock) -> None:
    old = result(keep(later, b"needed", partial(referring, "entry")))
    result(keep(later, b"x" * 1000))
    store = reopened(later, tmp_path, clock)
    pass_days(store, clock, 92)
    assert old.pack not in store.packs.numbers()
    assert result(store.bodies.read(old)) == b"needed"


def test_a_pack_is_unlinked_only_after_the_grace(tmp_path: Path, later: Store, clock: ManualClock) -> None:
    old = result(keep(later, b"x", keep_until=1))
    store = reopened(later, tmp_path, clock)
    clock.advance(92 * DAY / SECOND)
    result(reconcile(store, lambda *_: None))
    result(sweep(store))
    assert result(bodies(store)) == []
    clock.advance(retention.GRACE / SECOND - 1)
    result(sweep(store))
    assert old.pack in store.packs.numbers()
    clock.advance(1)
    result(sweep(store))
    assert old.pack not in store.packs.numbers()


def test_a_pack_that_is_mostly_needed_is_not_copied_yet(tmp_path: Path, later: Store, clock: ManualClock) -> None:
    needed = result(keep(later, b"x" * 10_000, partial(referring, "entry")))
    result(keep(later, b"y"))
    store = reopened(later, tmp_path, clock)
    pass_days(store, clock, 92)
    assert result(bodies(store)) == [needed]


def test_a_large_message_in_a_mailbox_stays_in_its_file(tmp_path: Path, later: Store, clock: ManualClock) -> None:
    needed = result(keep(later, b"x" * 2 * MEGABYTE, partial(referring, "entry")))
    store = reopened(later, tmp_path, clock)
    pass_days(store, clock, 92)
    assert result(bodies(store)) == [needed]
    assert result(store.bodies.read(needed)) == b"x" * 2 * MEGABYTE


def test_a_damaged_message_keeps_its_pack_and_the_others_are_moved(
    tmp_path: Path, later: Store, clock: ManualClock
) -> None:
    damaged, sound = (result(keep(later, b"x" * 100, partial(referring, "entry"))) for _ in range(2))
    result(keep(later, b"y" * 1000))
    path = later.packs.path(damaged.pack)
    content = bytearray(path.read_bytes())
    content[damaged.offset] ^= 1
    path.write_bytes(content)
    store = reopened(later, tmp_path, clock)
    pass_days(store, clock, 92)
    left, moved = result(bodies(store))
    assert left == damaged
    assert moved.id == sound.id
    assert result(store.bodies.read(moved)) == b"x" * 100
    assert damaged.pack in store.packs.numbers()


def test_a_sweep_goes_in_steps_of_the_bulk_lane(
    tmp_path: Path, later: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_ROWS", 3)
    monkeypatch.setattr(retention, "_MOVED", 2)
    needed = [result(keep(later, b"n" * 50, partial(referring, "entry"))) for _ in range(5)]
    for _ in range(10):
        result(keep(later, b"x" * 1000))
    store = reopened(later, tmp_path, clock)
    pass_days(store, clock, 92)
    assert [body.id for body in result(bodies(store))] == [body.id for body in needed]
