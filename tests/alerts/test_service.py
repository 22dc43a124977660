"""What subscribers are told, when, and how often, whatever crashes or comes twice."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.accounts import home_state
from mpcontinuity.alerts import mailing, outages, subscribers
from mpcontinuity.alerts.mailing import MOST_A_DAY
from mpcontinuity.alerts.service import EVERY, Watcher
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.errors import Temporary
from mpcontinuity.routing.health import SUSPICION, State
from mpcontinuity.store.statement import Statement
from tests.alerts.post_room import PostRoom
from tests.fakes.clock import SeededRandomness
from tests.fakes.stores import result

HOUR, DAY = 3600, 86400
IT = "it@far.example"


@pytest.fixture(autouse=True)
def looked(room: PostRoom) -> None:
    """It has looked before."""
    room.look()
    room.subscribe(IT)


def told(room: PostRoom) -> list[str]:
    """Subjects of what was sent to IT since the last time, without the domain."""
    return [subject.partition(": ")[2] for recipient, subject in room.subjects() if recipient == IT]


def down(room: PostRoom, seconds: float = 301) -> None:
    room.home_becomes(State.DOWN, "no connection")
    room.look()
    room.look(seconds)


# Down, and up again


def test_down_for_more_than_five_minutes_is_told_once_to_each(room: PostRoom) -> None:
    room.subscribe("oncall@far.example")
    room.home_becomes(State.DOWN, "no connection")
    room.look()
    room.look(299)
    assert not room.queued()
    room.look(2)
    room.look(5)
    room.look(HOUR)
    assert [recipient for recipient, _ in room.queued()] == [IT, "oncall@far.example"]
    message = room.queued()[0][1]
    assert message["Subject"] == "example.org: the home server is down for 5 min"
    text = message.get_content()
    for said in ("127.0.0.1:25", "no connection", "mpcontinuity status example.org", "/outage/", "UTC"):
        assert said in text


def test_a_short_failure_is_no_news_in_either_direction(room: PostRoom) -> None:
    down(room, 200)
    room.home_becomes(State.UP)
    room.look(5)
    assert not told(room)


def test_up_again_is_told_once_to_who_was_told_of_down(room: PostRoom) -> None:
    down(room)
    assert told(room) == ["the home server is down for 5 min"]
    room.home_becomes(State.RECOVERING)
    room.look(5)
    room.look(5)
    assert told(room) == ["the home server is up again"]


def test_a_crash_between_repeats_nothing_and_forgets_nothing(room: PostRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    room.home_becomes(State.DOWN)
    room.look(301)
    assert len(told(room)) == 1
    room.restart()
    room.look(5)
    assert not told(room)
    room.home_becomes(State.UP)

    def fails(*_: Any, **__: Any) -> None:
        raise Temporary("the disk is full")

    monkeypatch.setattr(mailing, "_mark", fails)
    with pytest.raises(Temporary):
        room.look(5)
    assert not told(room)
    monkeypatch.undo()
    room.restart()
    room.look(5)
    assert "up again" in told(room)[0]


def test_what_came_and_went_while_nobody_looked_is_told_as_it_is_now(room: PostRoom) -> None:
    room.home_becomes(State.DOWN)
    room.clock.advance(2 * HOUR)
    room.home_becomes(State.UP)
    room.restart()
    room.look(5)
    assert not told(room)


def test_a_subscriber_in_the_domain_that_is_down_finds_it_in_the_continuity_mailbox(room: PostRoom) -> None:
    room.subscribe("anna@example.org")
    down(room)
    (message,) = room.inbox(room.anna)
    assert message["Subject"] == "example.org: the home server is down for 5 min"
    assert [recipient for recipient, _ in room.queued()] == [IT]
    assert not room.rows("SELECT id FROM owed")


def test_what_nobody_hears_is_not_told_later(room: PostRoom) -> None:
    room.run(subscribers.remove, domain=room.domain.id, address=parse(IT))
    down(room)
    room.subscribe("late@far.example")
    room.look(5)
    assert not room.queued()


def test_what_home_says_can_make_no_header_field_and_no_long_mail(room: PostRoom) -> None:
    room.home_becomes(State.DOWN, "550 x\r\nBcc: all@far.example\r\n\r\n" + "y" * 100_000)
    room.look(301)
    ((_, message),) = room.queued()
    assert message["Bcc"] is None
    assert len(message.get_content()) < 5000


# Reminders


def test_a_declared_outage_is_reminded_of_after_four_hours_and_then_daily(room: PostRoom) -> None:
    room.set(mode="enabled")
    at = []
    for hour in range(80):
        room.look(HOUR)
        if told(room):
            at.append(hour)
    assert len(at) == 4
    assert [later - earlier for earlier, later in pairwise(at)] == [24, 24, 24]
    assert at[0] in (3, 4)


def test_no_reminder_after_its_end(room: PostRoom) -> None:
    room.set(mode="enabled")
    room.look(5)
    room.set(mode="disabled")
    room.look(5 * HOUR)
    assert told(room) == []


def test_what_is_snoozed_is_silent_until_then_and_its_end_is_told(room: PostRoom) -> None:
    room.set(alert_hour=1)
    room.home_becomes(State.DOWN)
    room.look(5)
    (outage,) = result(room.store.read(outages.open_or_fresh))
    room.run(outages.snooze, outage=outage.id, until=room.clock.now() + HOUR * SECOND)
    room.fails(1)
    room.look(600)
    room.run(home_state.pause, domain=room.domain.id, reason="550 x")
    room.look(600)
    assert not told(room)
    room.look(HOUR)
    (subject,) = told(room)
    for said in ("is down for", "redelivery is paused"):
        assert said in subject
    room.run(outages.snooze, outage=outage.id, until=room.clock.now() + HOUR * SECOND)
    room.run(home_state.pause, domain=room.domain.id, reason="")
    room.home_becomes(State.UP)
    room.look(5)
    assert any("up again" in subject for subject in told(room))


# Recovery


def test_a_recovery_is_reported_when_all_was_tried(room: PostRoom) -> None:
    rows = [room.books.redirect("anna"), room.books.redirect("bert"), room.books.redirect("nobody")]
    room.home_becomes(State.DOWN, "no connection")
    room.look(600)
    told(room)
    room.home_becomes(State.RECOVERING)
    room.look(5)
    room.home_becomes(State.UP)
    room.look(5)
    assert not [subject for subject in told(room) if "kept" in subject]
    room.run(ended, ids=rows[:2], state="delivered")
    room.run(ended, ids=rows[2:], state="failed")
    room.look(5)
    ((_, message),) = room.queued()
    assert message["Subject"] == "example.org: report of the outage: 3 kept, 2 delivered home, 0 open"
    text = message.get_content()
    for said in (
        "no connection",
        "anna@example.org: 1 kept, 1 delivered",
        "nobody@example.org: 1 kept, 0 delivered",
        "10 min",
    ):
        assert said in text
    room.forget_mail()
    room.look(5)
    assert not told(room)
    ((recovered, report),) = room.rows("SELECT recovered, report FROM outage")
    assert recovered > 0
    assert '"failed":1' in report


def test_a_pause_holds_the_report_back(room: PostRoom) -> None:
    row = room.books.redirect("anna")
    down(room)
    room.home_becomes(State.UP)
    room.run(ended, ids=[row], state="delivered")
    room.run(home_state.pause, domain=room.domain.id, reason="550 x")
    room.look(5)
    assert not [subject for subject in told(room) if "kept" in subject]
    room.run(home_state.pause, domain=room.domain.id, reason="")
    room.look(5)
    assert "report of the outage: 1 kept" in str(told(room))
    assert room.rows("SELECT COUNT(*) FROM outage WHERE recovered > 0") == [(1,)]


def test_a_suspicion_holds_the_report_back_no_longer_than_it_lasts(room: PostRoom) -> None:
    down(room)
    room.home_becomes(State.UP)
    known, _ = room.run(home_state.load, domain=room.domain.id)[room.domain.id]
    suspect = replace(known, state=State.SUSPECT, last_failure=room.clock.now())
    assert room.run(home_state.save, domain=room.domain.id, known=known, health=suspect, node="")
    room.look(5)
    assert room.rows("SELECT COUNT(*) FROM outage WHERE recovered > 0") == [(0,)]
    room.look(SUSPICION / SECOND - 5)
    assert room.rows("SELECT COUNT(*) FROM outage WHERE recovered > 0") == [(1,)]


def test_a_short_outage_in_which_nothing_was_kept_is_not_reported(room: PostRoom) -> None:
    room.home_becomes(State.DOWN)
    room.look(5)
    room.home_becomes(State.UP)
    room.look(5)
    room.look(5)
    assert not told(room)
    assert room.rows("SELECT COUNT(*) FROM outage WHERE recovered > 0") == [(1,)]


def test_that_nothing_was_kept_is_said_only_to_who_heard_nothing_of_the_end(room: PostRoom) -> None:
    down(room)
    room.home_becomes(State.UP)
    room.look(5)
    room.look(5)
    assert told(room) == ["the home server is down for 5 min", "the home server is up again"]
    room.set(mode="enabled")
    room.look(5)
    room.look(5 * HOUR)
    room.forget_mail()
    room.set(mode="disabled")
    room.look(5)
    room.look(5)
    (message,) = [message for _, message in room.queued()]
    assert message["Subject"] == "example.org: the outage is over, and nothing was kept"
    assert "delivered home" not in message.get_content()


def test_of_outages_that_follow_closely_each_message_is_in_one_report(room: PostRoom) -> None:
    for _ in range(3):
        room.clock.advance(10)
        row = room.books.redirect("anna")
        room.home_becomes(State.DOWN)
        room.look(10)
        room.home_becomes(State.UP)
        room.run(ended, ids=[row], state="delivered")
        room.look(5)
    room.look(5)
    room.look(5)
    reports = [report for (report,) in room.rows("SELECT report FROM outage")]
    assert ['"taken_in":1' in report.partition("}")[0] for report in reports] == [True] * 3


def ended(tx: Any, ids: list[int], state: str) -> None:
    tx.run(
        Statement("UPDATE owed SET state = :state, ended = :now, attempts = 1 WHERE id IN [:ids]"),
        state=state,
        now=tx.now,
        ids=ids,
    )


# A storm


def test_a_thousand_domains_down_at_once_are_few_mails_to_each(room: PostRoom) -> None:
    names = [f"d{number}.example" for number in range(100)]
    for name in names:
        domain = room.add_domain(name)
        room.subscribe(*(f"r{number}@far.example" for number in range(50)), domain=domain)
        room.home_becomes(State.DOWN, domain=domain)
    room.look()
    room.look(301)
    found = room.queued()
    assert len(found) == 50
    assert {recipient for recipient, _ in found} == {f"r{number}@far.example" for number in range(50)}
    assert "100 things happened at once" in found[0][1].get_content()
    assert len(room.rows("SELECT id FROM outage WHERE told LIKE '%down%'")) == 100


def test_a_home_that_flaps_fills_no_mailbox(room: PostRoom) -> None:
    sent = 0
    last: list[Any] = []
    for _ in range(60):
        room.home_becomes(State.DOWN)
        room.look(1)
        room.look(301)
        room.home_becomes(State.UP)
        room.look(100)
        sent += len(room.queued())
        last = room.queued()[-1:] or last
        room.forget_mail()
    assert sent == MOST_A_DAY
    assert "no more come until tomorrow" in last[0][1].get_content().replace("\r\n", " ")
    room.look(DAY)
    down(room)
    assert told(room)


def test_mails_of_a_clock_that_was_ahead_silence_nobody_when_it_is_set_right(
    room: PostRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailing, "MOST_A_DAY", 1)
    room.clock.jump(10 * DAY)
    down(room)
    assert told(room)
    room.home_becomes(State.UP)
    room.look()
    room.forget_mail()
    room.clock.jump(-10 * DAY)
    room.look(1)
    down(room)
    assert told(room)


def test_a_step_that_fails_stops_neither_the_mails_nor_the_next(room: PostRoom) -> None:
    seen: list[list[str]] = []

    class Broken:
        async def look(self, found: Any) -> None:
            raise ZeroDivisionError

    class Good:
        async def look(self, found: Any) -> None:
            seen.append([one.name for one in found])

    room.watcher = Watcher(room.store, room.settings, SeededRandomness(), steps=[Broken(), Good()])
    down(room)
    assert seen[-1] == ["example.org"]
    assert len(told(room)) == 1
    assert EVERY == 5


def test_of_two_processes_that_would_tell_the_same_one_does(room: PostRoom) -> None:
    """One lost the election without having heard of it."""
    room.set(alert_hour=1)
    room.home_becomes(State.DOWN)
    room.look()
    room.fails(1)
    room.clock.advance(301)
    late, given = room.watcher, []

    async def keeps(facts: Any) -> None:
        given.extend(facts)

    mail, late.mailing.mail = late.mailing.mail, keeps  # type: ignore[method-assign]
    room.look()
    room.restart()
    room.look()
    assert len(told(room)) == 1
    assert len(given) == 2
    result(Deferred.fromCoroutine(mail(given)))
    assert not told(room)


def test_a_mail_that_cannot_be_written_stops_no_other(room: PostRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    other = room.add_domain("other.example")
    room.subscribe(IT, domain=other)
    for domain in (room.domain, other):
        room.home_becomes(State.DOWN, domain=domain)
    room.look()
    begin = mailing.Mailing._announcement

    def breaks(self: Any, to: str, facts: Any, made: Any, *, last: bool) -> Any:
        if any(fact.domain == other.id for fact in facts):
            raise ZeroDivisionError
        return begin(self, to, facts, made, last=last)

    monkeypatch.setattr(mailing.Mailing, "_announcement", breaks)
    room.look(301)
    assert told(room) == ["the home server is down for 5 min"]
