"""Mail of the server itself: to whom it goes by which way, once, and with no answer."""

from __future__ import annotations

import pytest

from mpcontinuity.alerts.announcing import MOST
from mpcontinuity.model.clock import DAY
from mpcontinuity.routing.health import State
from mpcontinuity.store.transaction import Transaction
from tests.alerts.post_room import PostRoom


def test_somebody_anywhere_gets_it_by_the_queue_and_no_bounce_answers_it(room: PostRoom) -> None:
    room.announce("it@far.example")
    ((recipient, message),) = room.queued()
    assert recipient == "it@far.example"
    assert message["From"] == "Mail System <postmaster@mx.example.net>"
    assert message["To"] == "it@far.example"
    assert message["Subject"] == "Home is away"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Auto-Response-Suppress"] == "All"
    assert message["Date"]
    assert message["Message-ID"].endswith("@mx.example.net>")
    assert message.get_content() == "It does not answer.\r\n"
    ((kind, reverse_path, parameters, share, lasts),) = room.rows(
        "SELECT kind, reverse_path, parameters, share, expires - received FROM outgoing"
    )
    assert (kind, reverse_path, share, lasts) == ("alert", "", 1, DAY)
    assert "NEVER" in parameters


def test_it_is_tracked_as_an_alert_of_the_domain(room: PostRoom) -> None:
    room.home_becomes(State.DOWN)
    room.announce("it@far.example", "anna@example.org")
    rows = room.rows("SELECT domain, direction, sender, recipient, status, subject FROM tracking ORDER BY id")
    about = (room.domain.id, "alert", "")
    assert rows == [
        (*about, "it@far.example", "queued", "Home is away"),
        (*about, "anna@example.org", "delivered", "Home is away"),
    ]


@pytest.mark.parametrize("outage", ["down", "declared"])
def test_a_user_in_an_outage_has_it_in_inbox_and_home_is_not_owed_it(room: PostRoom, outage: str) -> None:
    if outage == "down":
        room.home_becomes(State.DOWN)
    else:
        room.set(mode="enabled")
    room.announce("Anna+alerts@example.org")
    (message,) = room.inbox(room.anna)
    assert message["Return-Path"] == "<>"
    assert message["To"] == "Anna+alerts@example.org"
    assert not room.queued()
    assert not room.rows("SELECT id FROM owed")


def test_a_user_whose_home_serves_gets_it_there(room: PostRoom) -> None:
    room.announce("anna@example.org")
    assert [recipient for recipient, _ in room.queued()] == ["anna@example.org"]
    assert not room.inbox(room.anna)


def test_a_caller_may_say_which_way(room: PostRoom) -> None:
    room.announce("anna@example.org", into_inbox=True)
    assert len(room.inbox(room.anna)) == 1
    room.home_becomes(State.DOWN)
    room.announce("anna@example.org", into_inbox=False)
    assert [recipient for recipient, _ in room.queued()] == ["anna@example.org"]


def test_who_has_no_mailbox_here_gets_it_by_the_queue(room: PostRoom) -> None:
    room.home_becomes(State.DOWN)
    room.announce("nobody@example.org", into_inbox=True)
    assert [recipient for recipient, _ in room.queued()] == ["nobody@example.org"]


def test_in_a_domain_without_continuity_nobody_looks_into_inbox(room: PostRoom) -> None:
    room.home_becomes(State.DOWN)
    room.set(continuity=False)
    room.announce("anna@example.org")
    assert len(room.queued()) == 1


def test_where_the_mark_fails_nothing_is_placed(room: PostRoom) -> None:
    def told(tx: Transaction) -> None:
        raise LookupError("told already")

    with pytest.raises(LookupError):
        room.announce("it@far.example", "anna@example.org", mark=told, into_inbox=True)
    assert not room.queued()
    assert not room.inbox(room.anna)
    assert not room.rows("SELECT id FROM tracking") + room.rows("SELECT id FROM body")


def test_many_at_once_are_placed_together_and_more_are_refused(room: PostRoom) -> None:
    room.announce(*(f"r{number}@far.example" for number in range(MOST)))
    assert len(room.queued()) == MOST
    with pytest.raises(ValueError, match="more than"):
        room.announce(*(f"r{number}@far.example" for number in range(MOST + 1)))


def test_announcements_that_belong_together_name_the_same_thread(room: PostRoom) -> None:
    room.announce("it@far.example", thread=room.domain.id)
    room.announce("it@far.example", thread=room.domain.id)
    (_, first), (_, second) = room.queued()
    assert first["References"] == second["References"] != None  # noqa: E711
    assert first["Message-ID"] != second["Message-ID"]
