"""Outages that are declared for a set time: what is refused, listed, extended and ended."""

from __future__ import annotations

from typing import Any

import pytest

from mpcontinuity.accounts import declarations, plans
from mpcontinuity.model.clock import DAY, HOUR, MINUTE, SECOND
from mpcontinuity.model.errors import Refused
from tests.control.conftest import Call
from tests.queue.ledgers import Books


def plan(call: Call, begin: str = "1h", until: str = "2h", **more: Any) -> Any:
    return call("domain plan", name="example.org", begin=begin, until=until, **more)


def mode(call: Call) -> str:
    return str(call("status", domain="example.org")[0]["mode"])


def test_a_plan_begins_and_ends_by_the_clock_alone(call: Call, books: Books) -> None:
    made = plan(call, note="new disks")
    assert made == {
        "id": made["id"],
        "domain": "example.org",
        "from": "2026-09-21T15:13:20+00:00",
        "until": "2026-09-21T16:13:20+00:00",
        "note": "new disks",
        "by": "root",
        "state": "to come",
        "ended": None,
    }
    assert call("status")[0]["plan"] == made
    for advance, now, state in ((3599, "disabled", "to come"), (1, "enabled", "under way"), (3599, "enabled", None)):
        books.clock.advance(advance)
        assert mode(call) == now
        if state is not None:
            assert call("domain show", name="example.org")["plans"][0]["state"] == state
    books.clock.advance(1)
    assert mode(call) == "disabled"
    assert call("status")[0]["plan"] is None
    assert call("domain show", name="example.org")["plans"] == []
    (ended,) = call("domain plan list", domain="example.org")
    assert (ended["state"], ended["ended"]) == ("ended", made["until"])


def test_a_plan_may_begin_now(call: Call, books: Books) -> None:
    assert plan(call, "0s", "5m")["state"] == "under way"


@pytest.mark.parametrize(
    ("begin", "until", "words"),
    [
        ("2026-09-21T14:13:18+00:00", "2h", "from: .* is in the past"),
        ("2h", "2026-09-21T14:13:18+00:00", "until: .* is in the past"),
        ("2h", "2h", "until: .* must be later than the beginning"),
        ("2h", "1h", "until: .* must be later than the beginning"),
        ("1h", "9000-01-01", "is more than 732 days ahead"),
        ("99999d", "999999d", "is more than 732 days ahead"),
        ("tomorrow", "2h", "from: .* not a time"),
        ("1h", "", "until: .* not a time"),
    ],
)
def test_times_that_will_not_do_change_nothing(call: Call, books: Books, begin: str, until: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        plan(call, begin, until)
    assert call("domain plan list") == []


@pytest.mark.parametrize("note", ["two\nlines", "\x1b[31m", "x" * 501, "a\0b"])
def test_a_note_is_one_short_line(call: Call, books: Books, note: str) -> None:
    with pytest.raises(Refused, match="note: must be one line"):
        plan(call, note=note)


def test_plans_do_not_overlap_and_may_follow_each_other(call: Call, books: Books) -> None:
    plan(call, "1h", "3h")
    for begin, until in (("1h", "3h"), ("2h", "4h"), ("0s", "61m"), ("90m", "2h"), ("30m", "9h")):
        with pytest.raises(Refused, match="is planned already from"):
            plan(call, begin, until)
    plan(call, "3h", "4h")
    plan(call, "30m", "1h")
    call("domain add", name="other.org", home="home.other.org")
    call("domain plan", name="other.org", begin="1h", until="2h")
    assert [row["domain"] for row in call("domain plan list")] == ["example.org"] * 3 + ["other.org"]


def test_there_are_only_so_many(call: Call, books: Books) -> None:
    for hour in range(plans.MOST):
        plan(call, f"{hour + 1}h", f"{hour + 2}h")
    with pytest.raises(Refused, match="100 outages are planned"):
        plan(call, "900h", "901h")


def test_no_outage_is_planned_where_nothing_would_be_kept(call: Call, books: Books) -> None:
    call("domain set", name="example.org", settings={"continuity": "off"})
    with pytest.raises(Refused, match="continuity is off"):
        plan(call)


class TestExtending:
    def test_by_a_duration_or_to_a_time(self, call: Call, books: Books) -> None:
        plan(call)
        assert call("domain plan extend", name="example.org", until="30m")["until"] == "2026-09-21T16:43:20+00:00"
        shorter = "2026-09-21T15:20:00+00:00"
        assert call("domain plan extend", name="example.org", until=shorter)["until"] == shorter

    def test_not_into_the_next_nor_before_its_beginning_or_now(self, call: Call, books: Books) -> None:
        first = plan(call)
        plan(call, "3h", "4h")
        books.clock.advance(5400)
        for until, words in (
            ("2h", "is planned already from"),
            ("2026-09-21T15:00:00+00:00", "is in the past"),
            ("9999d", "732 days ahead"),
            ("soon", "until: .* not a time"),
        ):
            with pytest.raises(Refused, match=words):
                call("domain plan extend", name="example.org", until=until)
        assert call("domain plan list")[0]["until"] == first["until"]

    def test_which_one_must_be_clear(self, call: Call, books: Books) -> None:
        with pytest.raises(Refused, match="no outage is under way or planned"):
            call("domain plan extend", name="example.org", until="1h")
        plan(call)
        second = plan(call, "3h", "4h")
        with pytest.raises(Refused, match=r"2 outages are planned .* say which by its id"):
            call("domain plan extend", name="example.org", until="1h")
        assert call("domain plan extend", name="example.org", until="1h", plan=second["id"])["id"] == second["id"]
        books.clock.advance(3600)
        assert call("domain plan extend", name="example.org", until="1m")["state"] == "under way"
        for wrong in ("0123456789abc", "x"):
            with pytest.raises(Refused):
                call("domain plan extend", name="example.org", until="1h", plan=wrong)


class TestEnding:
    def test_one_under_way_ends_now(self, call: Call, books: Books) -> None:
        plan(call)
        books.clock.advance(4000)
        assert call("domain plan end", name="example.org")["state"] == "ended"
        assert mode(call) == "disabled"
        (row,) = call("domain plan list")
        assert row["ended"] == "2026-09-21T15:20:00+00:00"
        with pytest.raises(Refused, match="no outage is under way"):
            call("domain plan end", name="example.org")

    def test_one_to_come_is_removed(self, call: Call, books: Books) -> None:
        plan(call)
        call("domain plan end", name="example.org")
        assert call("domain plan list") == []
        plan(call)

    def test_one_of_another_domain_is_not_found(self, call: Call, books: Books) -> None:
        made = plan(call)
        call("domain add", name="other.org", home="home.other.org")
        with pytest.raises(Refused, match="no outage of that id"):
            call("domain plan end", name="other.org", plan=made["id"])
        assert call("domain plan list")[0]["ended"] is None


def test_a_plan_and_a_mode_hold_each_by_itself(call: Call, books: Books) -> None:
    """An outage is declared as long as one of the two says so."""
    plan(call)
    call("domain set", name="example.org", settings={"mode": "enabled"}, until="90m")
    books.clock.advance(5500)
    assert mode(call) == "enabled"  # by the plan, the mode has ended
    call("domain set", name="example.org", settings={"mode": "disabled"})
    assert mode(call) == "enabled"
    call("domain set", name="example.org", settings={"mode": "optional"})
    call("domain plan end", name="example.org")
    assert mode(call) == "optional"


def test_since_when_and_by_whom_the_mode_is_set_is_remembered(call: Call, books: Books) -> None:
    books.clock.advance(60)
    call("domain set", name="example.org", settings={"mode": "enabled"})
    (mode,) = books.read(declarations.in_force)
    assert (mode.name, mode.what, mode.by, mode.since) == ("example.org", "mode", "root", books.clock.now())
    books.clock.advance(60)
    call("domain set", name="example.org", settings={"mode": "enabled"}, until="1h")
    plan(call, "0s", "1h", note="new disks")
    mode, planned = books.read(declarations.in_force)
    assert (mode.since, mode.until) == (books.clock.now() - MINUTE, books.clock.now() + HOUR)
    assert (planned.what, planned.by, planned.note, planned.since) == ("plan", "root", "new disks", books.clock.now())
    books.clock.advance(3600)
    assert books.read(declarations.in_force) == []


def test_ended_plans_are_forgotten_after_90_days(call: Call, books: Books) -> None:
    plan(call)
    plan(call, "2000h", "2001h")
    books.clock.advance(3 * HOUR // SECOND)
    assert books.run(plans.turn) == 2  # begun and ended
    assert books.run(plans.turn) == 0
    assert books.run(plans.forget, before=books.clock.now() - DAY) == 0
    assert books.run(plans.forget, before=books.clock.now() + 1) == 1
    assert [row["state"] for row in call("domain plan list")] == ["to come"]
