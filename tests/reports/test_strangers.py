"""What home refuses at redelivery: whether the stranger who sent it hears of that."""

from __future__ import annotations

import pytest

from mpcontinuity.mailbox import change
from mpcontinuity.model import uidset
from mpcontinuity.model.flags import ANSWERED, FLAGGED, SEEN
from mpcontinuity.model.owed import EXPIRED
from mpcontinuity.queue import owed, refusals
from mpcontinuity.reports.service import POLL
from tests.reports.conftest import Fates, status


def test_a_refused_redelivery_is_reported_to_the_world_from_the_null_sender(fates: Fates) -> None:
    fates.home_refuses(fates.receives())
    fates.wait()
    ((recipient, destination, reverse_path, message),) = fates.on_their_way()
    assert (recipient, destination, reverse_path) == ("carl@far.example", "far.example", "")
    assert message["To"] == "carl@far.example"
    assert "Return-Path" not in message
    _, (about,) = status(message)
    assert about["Final-Recipient"] == "rfc822; anna@example.org"
    assert about["Diagnostic-Code"] == "smtp; 550 5.7.1 Not here"
    rows = fates.rows("SELECT direction, sender, recipient, status FROM tracking WHERE direction = 'dsn'")
    assert rows == [("dsn", "", "carl@far.example", "queued")]
    assert not fates.untold()
    assert not fates.inbox()


def test_what_was_given_up_is_reported_too(fates: Fates) -> None:
    fates.home_refuses(fates.receives(), EXPIRED)
    fates.wait()
    assert len(fates.on_their_way()) == 1


@pytest.mark.parametrize(
    ("policy", "mode", "told"),
    [
        ("enabled", "disabled", 1),
        ("enabled", "enabled", 1),
        ("disabled", "disabled", 0),
        ("disabled", "enabled", 0),
        ("disabled-on-continuity", "disabled", 1),
        ("disabled-on-continuity", "optional", 1),
        ("disabled-on-continuity", "enabled", 0),
    ],
)
def test_the_bounce_policy_says_whether_strangers_hear_of_it(fates: Fates, policy: str, mode: str, told: int) -> None:
    fates.set(bounce_policy=policy, mode=mode)
    fates.home_refuses(fates.receives())
    fates.wait()
    assert len(fates.on_their_way()) == told
    assert not fates.untold()


def test_the_null_sender_hears_of_nothing(fates: Fates) -> None:
    fates.home_refuses(fates.receives(""))
    fates.wait(POLL)
    assert not fates.on_their_way()
    assert not fates.untold()


@pytest.mark.parametrize(("notify", "told"), [("", 1), ("FAILURE,DELAY", 1), ("NEVER", 0), ("SUCCESS", 0)])
def test_notify_is_heeded(fates: Fates, notify: str, told: int) -> None:
    fates.home_refuses(fates.receives(notify=notify))
    fates.wait()
    assert len(fates.on_their_way()) == told


@pytest.mark.parametrize(("flag", "told"), [(SEEN, 0), (ANSWERED, 0), (FLAGGED, 1)])
def test_what_the_user_has_seen_or_answered_has_reached_them(fates: Fates, flag: int, told: int) -> None:
    row = fates.receives()
    (mailbox,) = fates.rows("SELECT id FROM mailbox WHERE account = :a AND name = 'INBOX'", a=fates.anna)[0]
    fates.run(change.store_flags, mailbox=mailbox, uids=uidset.of([1]), how="add", flags=flag, keywords=())
    fates.home_refuses(row)
    fates.wait()
    assert len(fates.on_their_way()) == told
    assert not fates.untold()


def test_while_the_flush_is_paused_nothing_goes_out_and_afterwards_it_does(fates: Fates) -> None:
    fates.home_refuses(fates.receives())
    fates.run(refusals.pause, domain=fates.domain.id, reason="550 5.7.1 Who are you")
    fates.wait(2 * POLL)
    assert not fates.on_their_way()
    fates.run(refusals.pause, domain=fates.domain.id, reason="")
    fates.wait(POLL)
    assert len(fates.on_their_way()) == 1


def test_a_failed_report_is_not_reported(fates: Fates) -> None:
    fates.home_refuses(fates.receives())
    fates.wait()
    fates.fails()
    fates.wait(POLL)
    assert len(fates.on_their_way()) == 1
    assert not fates.inbox()


def test_a_users_mail_to_another_user_that_home_refuses_is_told_in_inbox_whatever_the_policy(fates: Fates) -> None:
    fates.set(bounce_policy="disabled")
    fates.home_refuses(fates.receives("bert@example.org"))
    fates.wait()
    assert len(fates.inbox(fates.bert)) == 1
    assert not fates.on_their_way()


def test_an_address_outside_ascii_is_written_to_as_such(fates: Fates) -> None:
    fates.home_refuses(fates.receives("jürgen@bücher.example"))
    fates.wait()
    ((recipient, destination, _, message),) = fates.on_their_way()
    assert recipient == "jürgen@bücher.example"
    assert destination == "xn--bcher-kva.example"
    assert message.get_payload()[1].get_content_type() == "message/global-delivery-status"
    (parameters,) = fates.rows("SELECT parameters FROM outgoing")[0]
    assert '"smtputf8":true' in parameters


# Success


@pytest.mark.parametrize(("notify", "told"), [("SUCCESS", 1), ("SUCCESS,FAILURE", 1), ("FAILURE", 0), ("", 0)])
def test_a_stranger_who_asked_hears_that_home_has_it_now_where_home_does_not_report(
    fates: Fates, notify: str, told: int
) -> None:
    fates.home_takes(fates.receives(notify=notify), relayed="SUCCESS" in notify)
    fates.wait()
    found = fates.on_their_way()
    assert len(found) == told
    if found:
        _, (about,) = status(found[0][3])
        assert about["Action"] == "relayed"


def test_where_home_reports_itself_nothing_is_said(fates: Fates) -> None:
    fates.home_takes(fates.receives(notify="SUCCESS"), relayed=False)
    fates.wait(POLL)
    assert not fates.on_their_way()
    assert not fates.untold()


def test_success_is_no_business_of_strangers_where_bounces_are_disabled(fates: Fates) -> None:
    fates.set(bounce_policy="disabled")
    fates.home_takes(fates.receives(notify="SUCCESS"), relayed=True)
    fates.wait()
    assert not fates.on_their_way()
    assert not fates.untold()


def test_what_the_user_deleted_in_the_outage_was_delivered(fates: Fates) -> None:
    row = fates.receives(notify="SUCCESS")
    (mailbox,) = fates.rows("SELECT id FROM mailbox WHERE account = :a AND name = 'INBOX'", a=fates.anna)[0]
    fates.run(change.remove, mailbox=mailbox, uids=uidset.of([1]))
    assert not fates.run(owed.claim, ids=[row], give_up=10**15)
    fates.wait(POLL)
    ((*_, message),) = fates.on_their_way()
    _, (about,) = status(message)
    assert about["Action"] == "delivered"


def test_what_was_passed_on_at_once_is_reported_and_leaves_no_row(fates: Fates) -> None:
    fates.passes_on("SUCCESS")
    fates.wait()
    ((recipient, *_, message),) = fates.on_their_way()
    assert recipient == "carl@far.example"
    _, (about,) = status(message)
    assert about["Action"] == "relayed"
    assert fates.rows("SELECT kind FROM outgoing") == [("dsn",)]
