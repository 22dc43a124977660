from typing import Any

import pytest

from mpcontinuity.model import identifier
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.events import DEFERRED, DELIVERED, REJECTED, TrackingEvent
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.tracking import flow, listing, record, retention
from mpcontinuity.tracking.listing import Filters, TrackRow
from mpcontinuity.tracking.record import NewRow
from tests.fakes.clock import START, ManualClock
from tests.fakes.stores import result


def put(store: Store, **values: Any) -> None:
    row: dict[str, Any] = {
        "domain": 1,
        "received": store.clock.now(),
        "direction": "inbound",
        "status": DELIVERED,
    } | values
    result(store.run(lambda tx: record.record_all(tx, [NewRow(**row)])))


def listed(store: Store, limit: int = 100, **filters: Any) -> list[TrackRow]:
    return result(listing.newest(store, Filters(**filters), limit))


def test_a_row_is_shown_as_the_contract_says(store: Store) -> None:
    put(
        store,
        sender="a@example.net",
        recipient="B@example.org",
        recipient_key="b@example.org",
        message_id="<1@x>",
        subject="Überfall",
        size=7,
        status=DEFERRED,
        continuity=True,
        outcome="owed",
        code=444,
        text="Redirect because: down",
        events=[TrackingEvent(START, "continuityservice", 444, "Redirect because: down")],
        owed=5,
    )
    (row,) = listed(store)
    assert len(row.id) == 13
    assert row.received == "2026-09-21T14:13:20+00:00"
    assert (row.status, row.outcome, row.continuity, row.code, row.subject) == (
        "deferred",
        "owed",
        True,
        444,
        "Überfall",
    )
    assert [(event.host, event.code) for event in row.events] == [("continuityservice", 444)]


def test_redelivery_adds_its_events_to_the_row_and_the_status_stays(store: Store) -> None:
    put(store, status=DEFERRED, outcome="owed", owed=5)
    result(store.run(lambda tx: record.add_event(tx, 5, TrackingEvent(START, "home:25", 451, '4.3.0 "later"'))))
    result(store.run(lambda tx: record.end_of_owed(tx, 5, "delivered", TrackingEvent(START, "home:25", 250, "ok"))))
    (row,) = listed(store)
    assert (row.status, row.outcome) == ("deferred", "delivered")
    assert [(event.code, event.text) for event in row.events] == [(451, '4.3.0 "later"'), (250, "ok")]
    result(store.run(lambda tx: record.reopen_owed(tx, 5, TrackingEvent(START, "", 0, "Reopened"))))
    assert listed(store)[0].outcome == "owed"


def test_the_id_is_that_of_what_is_owed(store: Store) -> None:
    put(store, status=DEFERRED, outcome="owed", owed=5)
    assert listed(store)[0].id == identifier.show(5)


def test_the_first_that_was_kept_is_looked_for_in_bounds(
    store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, database: str
) -> None:
    for status, text in ((DELIVERED, "home"), (REJECTED, "no"), (DEFERRED, "down"), (DEFERRED, "later")):
        put(store, status=status, code=450 if status == REJECTED else 250, text=text)
        clock.advance(1)

    def first() -> tuple[int, str] | None:
        return result(store.read(lambda tx: flow.first_kept(tx, 1, 0, clock.now())))

    begun = clock.now() - 2 * SECOND
    assert first() == (begun, "down")
    monkeypatch.setattr(flow, "MOST_LOOKED_AT", 2)
    assert first() == (begun, "down")
    monkeypatch.setattr(flow, "MOST_LOOKED_AT", 1)
    assert first() is None
    if database == "sqlite":
        plan = Statement(f"EXPLAIN QUERY PLAN {flow._FIRST_KEPT.sqlite}")
        rows = result(store.read(lambda tx: tx.all(plan, domain=1, since=0, until=9, most=9)))
        assert "tracking_errors" in str(rows)


def test_what_was_not_owed_has_no_outcome(store: Store) -> None:
    put(store)
    assert listed(store)[0].outcome is None


@pytest.mark.parametrize(
    ("filters", "subjects"),
    [
        ({}, ["three", "two", "one"]),
        ({"recipient": "B@example.org"}, ["two", "one"]),
        ({"sender": "A@example.NET"}, ["one"]),
        ({"message_id": "m2@x"}, ["two"]),
        ({"message_id": "<m2@x>"}, ["two"]),
        ({"status": REJECTED}, ["three"]),
        ({"since": START + 20_000_000}, ["three"]),
        ({"until": START + 20_000_000}, ["two", "one"]),
        ({"since": START + 10_000_000, "until": START + 20_000_000}, ["two"]),
        ({"recipient": "b@example.org", "until": START + 10_000_000}, ["one"]),
        ({"direction": "outbound"}, ["three"]),
        ({"direction": "outbound", "domain": 1}, []),
        ({"domain": 1}, ["two", "one"]),
        ({"recipient": "b@example.org", "domain": 2}, []),
    ],
)
def test_filters_leave_what_they_name(
    store: Store, clock: ManualClock, filters: dict[str, Any], subjects: list[str]
) -> None:
    put(store, subject="one", sender="a@example.net", recipient_key="b@example.org", message_id="<m1@x>")
    clock.advance(10)
    put(store, subject="two", recipient_key="b@example.org", message_id="<m2@x>")
    clock.advance(10)
    put(store, subject="three", status=REJECTED, domain=2, direction="outbound")
    assert [row.subject for row in listed(store, **filters)] == subjects


def test_newest_first_holds_across_the_steps_of_a_long_scan(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "SCAN", 3)
    for number in range(10):
        put(store, subject=str(number), status=REJECTED if number % 4 == 0 else DELIVERED)
    assert [row.subject for row in listed(store, status=REJECTED)] == ["8", "4", "0"]
    assert [row.subject for row in listed(store, limit=5)] == ["9", "8", "7", "6", "5"]
    assert [row.subject for row in listed(store, limit=2, status=REJECTED)] == ["8", "4"]


def test_an_end_of_time_is_found_without_a_look_at_what_came_later(
    store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SCAN", 3)
    put(store, subject="old")
    until = clock.now() + 1
    clock.advance(60)
    put(store, subject="written late", received=until - 1)  # it came before, and was noted later
    clock.advance(2 * 86_400)
    for number in range(10):
        put(store, subject=str(number))
    steps: list[Any] = []
    read = store.read

    def counted(work: Any) -> Any:
        steps.append(work)
        return read(work)

    monkeypatch.setattr(store, "read", counted)
    assert [row.subject for row in listed(store, until=until)] == ["written late", "old"]
    assert len(steps) == 2  # one finds both, and one that there is nothing before


def test_changes_of_outcomes_are_noted_and_forgotten(store: Store, clock: ManualClock) -> None:
    end = TrackingEvent(START, "home:25", 250, "ok")
    for number in (5, 6, 7):
        put(store, status=DEFERRED, outcome="owed", owed=number)
    result(store.run(lambda tx: record.add_event(tx, 5, end)))
    result(store.run(lambda tx: record.end_of_owed(tx, 5, "delivered", end)))
    clock.advance(60)
    result(store.run(lambda tx: record.end_of_outgoing(tx, 6, DELIVERED, end)))
    result(store.run(lambda tx: record.end_of_all_outgoing(tx, DELIVERED, [(6, end), (7, end)])))

    def noted(since: int = START) -> list[int]:
        return [row for _, row in result(store.read(lambda tx: listing.changed(tx, since=since, limit=10)))]

    assert noted() == [5, 6, 7]
    assert noted(START + 1) == [6, 7]
    clock.advance(3_600)
    result(retention.sweep(store))
    assert noted() == [6, 7]
    clock.advance(1)
    result(retention.sweep(store))
    assert noted() == []


def test_old_rows_expire_and_those_still_owed_stay(store: Store, clock: ManualClock) -> None:
    put(store, subject="old")
    put(store, subject="owed", outcome="owed")
    clock.advance(10)
    put(store, subject="new")
    before = identifier.first_at(START + 5_000_000)
    assert result(store.run(lambda tx: record.expire(tx, before))) == 1
    assert [row.subject for row in listed(store)] == ["new", "owed"]
