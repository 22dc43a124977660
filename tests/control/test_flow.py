"""``status flow``: how much mail came and went in each hour."""

from __future__ import annotations

import pytest

from mpcontinuity.model.clock import HOUR, iso
from mpcontinuity.model.errors import Refused
from mpcontinuity.store.store import Store
from mpcontinuity.tracking import flow
from mpcontinuity.tracking.record import NewRow, record_all
from tests.conftest import DATABASES
from tests.control.conftest import Call
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result
from tests.queue.ledgers import Books

pytestmark = pytest.mark.parametrize("database", DATABASES, indirect=True)


def record(store: Store, domain: int, *kinds: tuple[str, str, bool, str]) -> None:
    rows = [
        NewRow(domain, store.clock.now(), direction, status, continuity=continuity, outcome=outcome)
        for direction, status, continuity, outcome in kinds
    ]
    result(store.run(lambda tx: record_all(tx, rows)))


def test_each_message_is_counted_in_its_hour_by_what_became_of_it(
    store: Store, clock: ManualClock, call: Call, books: Books
) -> None:
    clock.advance(3600 - clock.now() % HOUR / 1e6)  # a new hour
    began = clock.now()
    domain = books.domain.id
    record(store, domain, ("inbound", "delivered", False, ""), ("inbound", "rejected", False, ""))
    record(store, domain + 1, ("inbound", "delivered", False, ""), ("alert", "delivered", False, ""))
    clock.advance(3600)
    record(
        store,
        domain,
        ("inbound", "deferred", True, "owed"),
        ("inbound", "deferred", True, "delivered"),
        ("outbound", "queued", False, ""),
        ("redelivery", "delivered", False, ""),
    )
    rows = call("status flow", domain="example.org", hours=2)
    assert rows == [
        {"hour": iso(began), "taken_in": 1, "redirected": 0, "redelivered": 0, "sent": 0, "complete": True},
        {"hour": iso(began + HOUR), "taken_in": 2, "redirected": 2, "redelivered": 1, "sent": 1, "complete": True},
    ]
    assert [row["taken_in"] for row in call("status flow", hours=3)] == [0, 2, 2]


def test_an_hour_of_which_too_much_would_be_looked_at_says_so(
    store: Store, call: Call, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "MOST_LOOKED_AT", 3)
    record(store, books.domain.id, *[("inbound", "delivered", False, "")] * 5)
    for arguments in ({"domain": "example.org"}, {}):
        [row] = call("status flow", hours=1, **arguments)
        assert (row["taken_in"], row["complete"]) == (3, False)


def test_a_domain_that_is_not_here_and_too_many_hours_are_refused(call: Call, books: Books) -> None:
    with pytest.raises(Refused, match="no such domain"):
        call("status flow", domain="other.example")
    with pytest.raises(Refused, match="must be 1 to"):
        call("status flow", hours=169)
