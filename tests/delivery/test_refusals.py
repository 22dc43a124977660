import msgspec
import pytest
from twisted.logger import capturedLogs, formatEvent

from mpcontinuity.delivery import refusals
from mpcontinuity.delivery.refusals import Refusals
from mpcontinuity.model.events import REJECTED
from mpcontinuity.model.rations import Rations
from mpcontinuity.model.settings import Limits
from mpcontinuity.store.store import Store
from mpcontinuity.tracking.listing import Filters, newest
from mpcontinuity.tracking.record import NewRow, record_all
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result


def row(number: int) -> NewRow:
    return NewRow(domain=1, received=1, direction="inbound", status=REJECTED, subject=str(number))


def refusals_of(store: Store, clock: ManualClock, **limits: int) -> Refusals:
    return Refusals(store, clock, Rations(msgspec.structs.replace(Limits(), **limits), clock.seconds))


def test_refusals_are_written_together_a_moment_later(store: Store, clock: ManualClock) -> None:
    gathered = refusals_of(store, clock)
    for number in range(3):
        gathered.add(row(number))
    assert result(newest(store, Filters())) == []
    clock.advance(1)
    assert [shown.subject for shown in result(newest(store, Filters()))] == ["2", "1", "0"]


def test_what_is_written_late_is_listed_where_it_happened(store: Store, clock: ManualClock) -> None:
    gathered = refusals_of(store, clock)
    gathered.add(row(0))
    clock.advance(refusals.GATHER / 2)
    result(store.run(lambda tx: record_all(tx, [row(1)])))
    clock.advance(1)
    assert [shown.subject for shown in result(newest(store, Filters()))] == ["1", "0"]


def test_a_flood_of_refusals_costs_bounded_memory(
    store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "MOST", 7)
    monkeypatch.setattr(refusals, "STEP", 3)
    gathered = refusals_of(store, clock)
    for number in range(20):
        gathered.add(row(number))
    result(gathered.stop())
    assert len(result(newest(store, Filters()))) == 7
    gathered.add(row(21))
    clock.advance(1)
    assert len(result(newest(store, Filters()))) == 8


def test_refusals_beyond_the_ration_of_a_host_are_counted_and_told_of_once_a_minute(
    store: Store, clock: ManualClock
) -> None:
    gathered = refusals_of(store, clock, refusals_per_minute=10)
    with capturedLogs() as logged:
        assert sum(gathered.singly("192.0.2.1") for _ in range(1000)) == 11
        assert gathered.singly("198.51.100.1")
        clock.advance(refusals.SAY)
        assert [formatEvent(event) for event in logged] == [
            "989 more refusals to 192.0.2.1, or sessions with it, are counted only"
        ]
        gathered.singly("192.0.2.1")
        assert not clock.getDelayedCalls()
        result(gathered.stop())
