"""What subscribers are told besides outages: numbers of errors, a flush that pauses, users who cannot use home."""

from __future__ import annotations

from typing import Any

import pytest

from mpcontinuity.accounts import home_state, home_users
from mpcontinuity.alerts.service import COUNTS
from tests.alerts.post_room import PostRoom
from tests.alerts.test_service import HOUR, IT, told


@pytest.fixture(autouse=True)
def looked(room: PostRoom) -> None:
    """It has looked before."""
    room.look()
    room.subscribe(IT)


# Numbers of errors


def test_a_threshold_is_told_when_it_is_reached_and_when_it_is_over(room: PostRoom) -> None:
    room.set(alert_hour=3)
    room.fails(2)
    room.look(5)
    assert not told(room)
    room.fails(1, sender="last@far.example", text="Redirect because: 451 4.3.2 busy\r\nX: y")
    room.look(5)
    ((_, message),) = room.queued()
    assert message["Subject"] == "example.org: 3 or more messages failed within an hour"
    text = message.get_content().replace("\r\n", " ")
    assert "last@far.example" in text
    assert "451 4.3.2 busy" in text
    assert "alert-hour" in text
    room.forget_mail()
    room.look(5)
    room.fails(50)
    room.look(HOUR - 100)
    assert not told(room)
    room.look(200)
    assert told(room) == ["fewer messages fail"]
    room.look(HOUR)
    assert not told(room)


def test_it_is_told_again_only_after_its_window_and_after_it_was_below(room: PostRoom) -> None:
    room.set(alert_hour=2)
    room.fails(2)
    room.look(1)
    assert len(told(room)) == 1
    for _ in range(30):  # never below
        room.fails(2)
        room.look(600)
    assert not told(room)
    room.look(HOUR + 1)
    assert told(room) == ["fewer messages fail"]
    room.fails(2)
    room.look(1)
    assert told(room) == ["2 or more messages failed within an hour"]


def test_a_threshold_that_flutters_is_told_once_in_its_window(room: PostRoom) -> None:
    room.set(alert_day=2)
    room.fails(2)
    room.look(5)
    assert len(told(room)) == 1
    room.set(alert_day=3)
    room.look(5)
    assert told(room) == ["fewer messages fail"]
    for threshold in (2, 3, 2):
        room.set(alert_day=threshold)
        room.look(5)
    assert not told(room)


def test_a_message_counts_once_for_each_recipient_and_hour(room: PostRoom) -> None:
    room.set(alert_hour=3)
    again = {
        "status": "rejected",
        "text": "4.4.1 later",
        "recipient_key": "nobody@example.org",
        "sender": "s@far.example",
    }
    for _ in range(20):  # its sender tries again
        room.fails(1, **again)
    room.fails(1, **{**again, "recipient_key": "other@example.org"})
    room.look(5)
    assert not told(room)
    room.fails(1, **{**again, "sender": "t@far.example"})
    room.look(5)
    assert len(told(room)) == 1


@pytest.mark.parametrize(
    "row",
    [
        {"direction": "outbound"},
        {"status": "delivered"},
        {"status": "rejected", "code": 550},
        {"text": "Redirect because: continuity is declared by the administrator"},
    ],
    ids=str,
)
def test_what_is_no_failure_of_home_does_not_count(room: PostRoom, row: dict[str, Any]) -> None:
    room.set(alert_hour=1)
    room.fails(1, **row)
    room.look(5)
    assert not told(room)


def test_many_domains_with_thresholds_take_turns(room: PostRoom) -> None:
    numbers = range(COUNTS + 5)
    for number in numbers:
        name = f"d{number}.example"
        domain = room.add_domain(name)
        room.set(name, alert_hour=1)
        room.subscribe(f"it@{name}.far.example", domain=domain)
        room.fails(1, domain=domain.id)
    room.look(5)
    assert len(room.subjects()) == COUNTS
    room.look(5)
    assert len(room.subjects()) == 5


# A flush that pauses


def test_a_paused_flush_is_told_with_homes_reply_and_not_each_time(room: PostRoom) -> None:
    room.run(home_state.pause, domain=room.domain.id, reason="550 5.7.1 we do not know you")
    room.look(5)
    room.look(5)
    ((_, message),) = room.queued()
    assert message["Subject"] == "example.org: redelivery is paused"
    assert "550 5.7.1 we do not know you" in message.get_content()
    room.forget_mail()
    room.run(home_state.pause, domain=room.domain.id, reason="")
    room.look(5)
    assert told(room) == ["redelivery goes on"]
    for reason in ("550 a", "", "550 b", "") * 3:
        room.run(home_state.pause, domain=room.domain.id, reason=reason)
        room.look(5)
    assert not told(room)
    room.run(home_state.pause, domain=room.domain.id, reason="550 c")
    room.look(HOUR)
    assert told(room) == ["redelivery is paused"]


def test_users_who_cannot_use_home_are_told_of_with_what_to_do_and_again_when_they_can(room: PostRoom) -> None:
    room.run(home_users.note, domain=room.domain.id, reason="imaps://home: no login")
    room.look(5)
    room.look(5)
    ((_, message),) = room.queued()
    assert message["Subject"] == "example.org: users cannot use the home server"
    assert "imaps://home: no login" in message.get_content()
    assert "mpcontinuity user continuity --domain example.org --all on" in message.get_content()
    room.forget_mail()
    room.run(home_users.note, domain=room.domain.id, reason="")
    room.look(5)
    assert told(room) == ["users can use the home server again"]


def test_who_watches_home_s_users_no_more_is_not_told_that_they_can_use_it(room: PostRoom) -> None:
    room.run(home_users.note, domain=room.domain.id, reason="imaps://home: no login")
    room.look(5)
    assert told(room) == ["users cannot use the home server"]
    room.run(home_users.unwatch, domain=room.domain.id)
    room.look(5)
    room.look(2 * HOUR)
    assert not told(room)
    room.run(home_users.say, domain=room.domain.id, on=True, by="root")
    room.look(5)
    room.run(home_users.say, domain=room.domain.id, on=False, by="root")
    room.look(5)
    assert told(room) == ["users cannot use the home server", "users can use the home server again"]
