from __future__ import annotations

import pytest

from mpcontinuity.accounts.home_state import pause
from mpcontinuity.model.clock import DAY, MINUTE, iso
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.events import TrackingEvent
from mpcontinuity.queue import owed, progress
from mpcontinuity.routing.health import State
from tests.control.conftest import Call
from tests.queue.ledgers import Books


def test_status_has_a_row_per_domain(call: Call, books: Books) -> None:
    books.redirect("anna")
    call("domain add", name="another.org", home="home.another.org", settings={"continuity": "off"})
    another, example = call("status")
    assert another["continuity"] is False
    assert example == {
        "domain": "example.org",
        "home": "127.0.0.1:25",
        "state": "up",
        "since": "2026-09-21T14:13:20+00:00",
        "reason": "",
        "mode": "disabled",
        "continuity": True,
        "users": 2,
        "redelivery_backlog": 1,
        "outbound_backlog": 0,
        "errors_hour": 1,
        "errors_day": 1,
        "subscribers": 0,
        "recovery": {"done": 0, "left": 1, "per_minute": 0, "eta": None, "waiting": ""},
        "plan": None,
        "never_logged_in": 2,
        "contained": None,
        "kept": 0,
        "drill": None,
        "users_out": None,
    }
    assert another["recovery"] is None
    assert call("status", domain="EXAMPLE.org") == [example]
    with pytest.raises(Refused, match="no such domain"):
        call("status", domain="x.org")


def test_status_says_that_home_refuses_what_stays_owed(call: Call, books: Books) -> None:
    row, failing = books.redirect("anna"), books.redirect("bert")
    for one, run in ((row, 0), (failing, 7)):
        (claimed,) = books.run(owed.claim, ids=[one], give_up=DAY)
        event = TrackingEvent(books.clock.now(), "home:25", 554, "5.7.1 rejected")
        books.run(owed.try_later, owed_id=one, token=claimed.token, event=event, next_attempt=0, run=run)
    assert call("status")[0]["reason"] == "home refuses 1 of what is owed, which stays owed: 554 5.7.1 rejected"


def test_errors_leave_the_hour_and_then_the_day(call: Call, books: Books) -> None:
    books.redirect("anna")
    books.clock.advance(7200)
    row = call("status")[0]
    assert (row["errors_hour"], row["errors_day"]) == (0, 1)
    books.clock.advance(86400)
    assert call("status")[0]["errors_day"] == 0


def test_a_paused_flush_is_the_reason_that_status_shows(call: Call, books: Books) -> None:
    books.run(pause, domain=books.domain.id, reason="550 5.7.1 go away")
    assert call("status")[0]["reason"] == "redelivery is paused: 550 5.7.1 go away"


def test_status_tells_how_far_the_flush_is_and_when_it_will_be_done(call: Call, books: Books) -> None:
    for _ in range(4):
        books.redirect("anna")
    note = {"domain": books.domain.id, "began": books.clock.now(), "throttled": ""}
    books.run(progress.note, done=10, per_minute=30, **note)
    books.clock.advance(30)
    books.run(progress.note, done=5, per_minute=2, **{**note, "throttled": "451 4.7.1 too many messages"})
    recovery = call("status")[0]["recovery"]
    assert (recovery["done"], recovery["left"], recovery["per_minute"]) == (15, 4, 2)
    assert recovery["eta"] == iso(books.clock.now() + 2 * MINUTE)
    assert recovery["waiting"] == "451 4.7.1 too many messages"
    books.clock.advance(121)  # its process has died
    recovery = call("status")[0]["recovery"]
    assert (recovery["done"], recovery["per_minute"], recovery["eta"], recovery["waiting"]) == (15, 0, None, "")
    books.clock.advance(600)
    books.run(progress.note, done=1, per_minute=1, **note)  # another outage
    assert call("status")[0]["recovery"]["done"] == 1
    books.run(progress.over, domain=books.domain.id)
    assert call("status")[0]["recovery"]["done"] == 0


def test_status_says_what_the_flush_waits_for(call: Call, books: Books) -> None:
    books.redirect("anna")

    def waits() -> str:
        return str(call("status")[0]["recovery"]["waiting"])

    books.run(pause, domain=books.domain.id, reason="550 5.7.606 banned sending IP")
    assert waits() == "550 5.7.606 banned sending IP"
    books.home_becomes(State.DOWN, "connection refused")
    assert waits() == "connection refused"
    call("domain set", name="example.org", settings={"mode": "enabled"})
    assert waits() == "an outage is declared"


def test_the_ledger_ends_with_the_sum(call: Call, books: Books) -> None:
    books.redirect("anna")
    report = call("report", domain="example.org")
    assert report["adds_up"]
    assert [(row["user"], row["taken_in"], row["owed"]) for row in report["rows"]] == [
        ("anna@example.org", 1, 1),
        ("bert@example.org", 0, 0),
        ("total", 1, 1),
    ]
    assert call("report", domain="example.org", since="2026-09-22")["rows"][-1]["taken_in"] == 0
