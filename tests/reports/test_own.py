"""A user's own mail that came to nothing: told in INBOX, always, and once."""

from __future__ import annotations

from pathlib import Path

import pytest

from mpcontinuity.model.outgoing import DELIVERED, PASSED_ON, RELAYED
from mpcontinuity.model.parameters import MailParameters
from mpcontinuity.queue import ledger, outbound
from mpcontinuity.reports.service import POLL
from mpcontinuity.store.statement import Statement
from tests.fakes.stores import open_memory_like_store, result
from tests.reports.conftest import DAY, Fates, status

HOUR = 3600


def test_a_failure_is_in_inbox_within_seconds_and_owed_to_home(fates: Fates) -> None:
    fates.sends("far@far.example")
    fates.fails()
    fates.wait()
    (message,) = fates.inbox()
    assert message["To"] == "anna@example.org"
    assert message["Return-Path"] == "<>"
    _, (recipient,) = status(message)
    assert recipient["Final-Recipient"] == "rfc822; far@far.example"
    assert recipient["Status"] == "5.1.1"
    assert recipient["Remote-MTA"] == "dns; mx.far.example"
    assert recipient["Diagnostic-Code"] == "smtp; 550 5.1.1 No such user"
    assert "The offer" in message.as_string()
    assert fates.rows("SELECT reverse_path, recipient, state FROM owed") == [("", "anna@example.org", "owed")]
    assert not fates.on_their_way()


def test_what_home_sends_for_a_user_is_theirs(fates: Fates) -> None:
    """Whose address it came from is known, so that nobody had to log in."""
    fates.sends("far@far.example", account=None)
    fates.fails()
    fates.wait()
    assert len(fates.inbox()) == 1
    assert not fates.on_their_way()


def test_the_report_is_in_tracking_archive_and_ledger(fates: Fates) -> None:
    fates.sends("far@far.example")
    fates.fails()
    fates.wait()
    rows = fates.rows("SELECT direction, sender, recipient, status, outcome FROM tracking WHERE direction = 'dsn'")
    assert rows == [("dsn", "", "anna@example.org", "delivered", "owed")]
    assert fates.rows("SELECT direction, sender FROM archive") == [("inbound", "")]
    lines = result(fates.store.read(lambda tx: ledger.report(tx, fates.domain.id)))
    assert ledger.adds_up(lines)
    assert lines[-1].taken_in == 1


@pytest.mark.parametrize("policy", ["enabled", "disabled", "disabled-on-continuity"])
@pytest.mark.parametrize("mode", ["disabled", "enabled"])
def test_no_bounce_policy_keeps_a_users_own_failure_from_them(fates: Fates, policy: str, mode: str) -> None:
    fates.set(bounce_policy=policy, mode=mode)
    fates.sends("far@far.example", notify="NEVER")
    fates.fails()
    fates.wait()
    assert len(fates.inbox()) == 1


def test_recipients_that_fail_together_are_told_together(fates: Fates) -> None:
    fates.sends("one@far.example", "two@far.example", "three@near.example")
    fates.fails()
    fates.wait()
    (message,) = fates.inbox()
    _, recipients = status(message)
    assert [one["Final-Recipient"].partition("; ")[2] for one in recipients] == [
        "one@far.example",
        "two@far.example",
        "three@near.example",
    ]


def test_nothing_is_told_twice(fates: Fates) -> None:
    fates.sends("far@far.example")
    fates.fails()
    fates.wait()
    fates.wait(3 * POLL)
    result(fates.service.stop())
    fates.start()
    fates.wait(POLL)
    assert len(fates.inbox()) == 1
    assert not fates.untold()


def test_what_ended_while_nobody_reported_is_told_at_the_next_start(fates: Fates, tmp_path: Path) -> None:
    result(fates.service.stop())
    fates.sends("far@far.example")
    fates.fails()
    fates.wait(10 * POLL)
    assert not fates.inbox()
    result(fates.store.close())
    fates.store = open_memory_like_store(tmp_path, clock=fates.clock)
    fates.start()
    fates.wait()
    assert len(fates.inbox()) == 1
    result(fates.store.close())


def test_what_was_given_up_says_so_and_what_the_other_side_said_last(fates: Fates) -> None:
    fates.sends("far@far.example")
    fates.expires()
    fates.wait()
    (message,) = fates.inbox()
    _, (recipient,) = status(message)
    assert recipient["Action"] == "failed"
    assert recipient["Status"] == "4.3.0"
    text = message.get_payload()[0]
    assert "in the time that messages are tried for" in text.get_content().replace("\n    ", " ")
    assert "451 4.3.0 Later" in text.get_content()


def test_a_failure_without_a_reply_has_its_reason_and_its_code(fates: Fates) -> None:
    fates.sends("far@far.example")
    fates.fails(0, "5.1.10 far.example takes no mail: its MX is null")
    fates.wait()
    (message,) = fates.inbox()
    _, (recipient,) = status(message)
    assert recipient["Status"] == "5.1.10"
    assert recipient["Diagnostic-Code"] is None
    assert "its MX is null" in message.get_payload()[0].get_content().replace("\n    ", " ")


def test_what_an_administrator_takes_out_is_told_without_their_name(fates: Fates) -> None:
    (row_id,) = fates.sends("far@far.example")
    fates.run(outbound.remove, ids=[row_id], by="root-of-all")
    fates.wait()
    (message,) = fates.inbox()
    assert "administrator" in message.get_payload()[0].get_content()
    assert "root-of-all" not in message.as_string()


def test_a_reopened_row_is_told_again_when_it_fails_again(fates: Fates) -> None:
    (row_id,) = fates.sends("far@far.example")
    fates.fails()
    fates.wait()
    fates.run(outbound.retry, ids=[row_id], by="root", give_up=DAY)
    fates.wait()
    assert len(fates.inbox()) == 1
    fates.fails()
    fates.wait()
    assert len(fates.inbox()) == 2


def test_a_row_reopened_before_it_was_told_is_not_told(fates: Fates) -> None:
    (row_id,) = fates.sends("far@far.example")
    fates.fails()
    fates.run(outbound.retry, ids=[row_id], by="root", give_up=DAY)
    fates.wait(POLL)
    assert not fates.inbox()


def test_of_a_removed_user_nothing_is_left_to_tell(fates: Fates) -> None:
    fates.sends("far@far.example")
    fates.fails()
    fates.run(lambda tx: tx.run(Statement("UPDATE account SET status = 'removed' WHERE id = :id"), id=fates.anna))
    fates.wait()
    assert not fates.untold()
    assert not fates.rows("SELECT id FROM owed")


def test_dsn_parameters_are_given_back(fates: Fates) -> None:
    mail = MailParameters(ret="HDRS", envid="QQ+2B314159")
    fates.sends("far@far.example", mail=mail, orcpt="rfc822;Far+2Bx@far.example")
    fates.fails()
    fates.wait()
    (message,) = fates.inbox()
    general, (recipient,) = status(message)
    assert general["Original-Envelope-Id"] == "QQ+314159"
    assert recipient["Original-Recipient"] == "rfc822; Far+x@far.example"
    assert [part.get_content_type() for part in message.iter_parts()][-1] == "text/rfc822-headers"


def test_what_a_reply_says_begins_no_field_of_its_own(fates: Fates) -> None:
    fates.sends("far@far.example", mail=MailParameters(envid="a+0D+0AX-Evil: 1"))
    fates.fails(550, "5.1.1 no\r\nX-Evil: 1\r\n\r\nGone")
    fates.wait()
    (message,) = fates.inbox()
    general, (recipient,) = status(message)
    assert "X-Evil" not in general
    assert "X-Evil" not in recipient


def test_the_null_sender_of_ours_is_told_all_the_same_where_the_user_is_known(fates: Fates) -> None:
    fates.sends("far@far.example", sender="")
    fates.fails()
    fates.wait()
    (message,) = fates.inbox()
    assert message["To"] == "anna@example.org"


# Delays


def test_a_delay_is_told_once_after_four_hours(fates: Fates) -> None:
    fates.sends("far@far.example")
    fates.wait(4 * HOUR - 60)
    assert not fates.inbox()
    fates.wait(2 * POLL)
    (message,) = fates.inbox()
    _, (recipient,) = status(message)
    assert recipient["Action"] == "delayed"
    assert recipient["Will-Retry-Until"]
    for _ in range(10):
        fates.wait(HOUR)
    assert len(fates.inbox()) == 1


def test_a_delay_is_not_told_while_the_domain_is_on_continuity(fates: Fates) -> None:
    fates.set(mode="enabled")
    fates.sends("far@far.example")
    for _ in range(8):
        fates.wait(HOUR)
    assert not fates.inbox()
    fates.set(mode="disabled")
    fates.wait(POLL)
    assert len(fates.inbox()) == 1


def test_a_delay_is_not_told_while_home_is_down(fates: Fates) -> None:
    fates.run(lambda tx: tx.run(Statement("UPDATE domain SET state = 'down'")))
    fates.sends("far@far.example")
    for _ in range(8):
        fates.wait(HOUR)
    assert not fates.inbox()


@pytest.mark.parametrize(
    ("notify", "told"), [("", 1), ("DELAY", 1), ("FAILURE", 0), ("NEVER", 0), ("SUCCESS,DELAY", 1)]
)
def test_who_asked_not_to_hear_of_delays_does_not(fates: Fates, notify: str, told: int) -> None:
    fates.sends("far@far.example", notify=notify)
    for _ in range(5):
        fates.wait(HOUR)
    assert len(fates.inbox()) == told


# Success


@pytest.mark.parametrize(("how", "action"), [(DELIVERED, "delivered"), (RELAYED, "relayed")])
def test_success_is_told_to_who_asked_and_the_row_goes(fates: Fates, how: str, action: str) -> None:
    fates.sends("far@far.example", notify="SUCCESS,FAILURE")
    fates.arrives(how)
    fates.wait()
    (message,) = fates.inbox()
    _, (recipient,) = status(message)
    assert recipient["Action"] == action
    assert recipient["Status"].startswith("2.")
    assert not fates.rows("SELECT id FROM outgoing")


@pytest.mark.parametrize(
    ("how", "notify"), [(PASSED_ON, "SUCCESS"), (RELAYED, ""), (RELAYED, "FAILURE"), (DELIVERED, "NEVER")]
)
def test_success_is_not_told_where_nobody_asked_or_the_next_host_tells_it(fates: Fates, how: str, notify: str) -> None:
    fates.sends("far@far.example", notify=notify)
    fates.arrives(how)
    fates.wait(2 * POLL)
    assert not fates.inbox()
    assert not fates.rows("SELECT id FROM outgoing")
