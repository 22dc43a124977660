"""What home refuses at redelivery: whether the stranger who sent it hears of that."""

from __future__ import annotations

import pytest

from mpcontinuity.accounts import home_state
from mpcontinuity.mailbox import change
from mpcontinuity.model import uidset
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.flags import ANSWERED, FLAGGED, SEEN
from mpcontinuity.model.owed import EXPIRED
from mpcontinuity.queue import owed
from mpcontinuity.reports.proof import VERDICT_WITHIN
from mpcontinuity.reports.service import POLL
from mpcontinuity.verdicts.record import SenderVerdict
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
    fates.run(home_state.pause, domain=fates.domain.id, reason="550 5.7.1 Who are you")
    fates.wait(2 * POLL)
    assert not fates.on_their_way()
    fates.run(home_state.pause, domain=fates.domain.id, reason="")
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
    fates.home_refuses(fates.receives("bert@example.org", submitted=True, verdict=None))
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


# Who they are


def verdict(spf: str, *signed: str) -> SenderVerdict:
    """``signed``: as in Authentication-Results."""
    shown = [f"spf={spf} smtp.mailfrom=far.example", *(signed or ["dkim=none"]), "dmarc=fail header.from=far.example"]
    return SenderVerdict(spf, "pass" if "dkim=pass" in " ".join(signed) else "none", "fail", "; ".join(["mx", *shown]))


FORGED = verdict("fail")


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (verdict("pass"), 1),
        (verdict("fail"), 0),
        (verdict("softfail"), 0),
        (verdict("neutral"), 0),
        (verdict("none"), 0),
        (verdict("temperror"), 0),
        (verdict("permerror"), 0),
        (
            verdict("fail", "dkim=pass header.d=far.example header.s=s policy.reverse-path=author"),
            1,
        ),  # forwarded as it was
        (verdict("fail", "dkim=pass header.d=far.example header.s=s"), 0),  # another's message, sent once more
        (verdict("fail", "dkim=pass header.d=elsewhere.example header.s=s policy.reverse-path=author"), 0),
        (verdict("fail", "dkim=pass header.d=ar.example header.s=s policy.reverse-path=author"), 0),
        (verdict("fail", "dkim=pass header.d=www.far.example header.s=s policy.reverse-path=author"), 0),
        (verdict("fail", "dkim=fail (the header has changed) header.d=far.example header.s=s"), 0),
        (
            verdict(
                "fail",
                "dkim=pass header.d=x.example header.s=a policy.reverse-path=author",
                "dkim=pass header.d=far.example header.s=b policy.reverse-path=author",
            ),
            1,
        ),
        (verdict("pass", "dkim=fail header.d=far.example header.s=s"), 1),
        (None, 0),
    ],
)
def test_a_failure_is_told_to_who_proved_to_be_of_the_reverse_paths_domain(
    fates: Fates, found: SenderVerdict | None, told: int
) -> None:
    fates.home_refuses(fates.receives(verdict=found))
    fates.wait(2 * VERDICT_WITHIN / SECOND)
    assert len(fates.on_their_way()) == told
    assert not fates.untold()


def test_a_signature_of_the_domain_above_is_good_for_what_is_below(fates: Fates) -> None:
    signed = verdict("fail", "dkim=pass header.d=FAR.example header.s=s policy.reverse-path=author")
    fates.home_refuses(fates.receives("bounces@mail.far.example", verdict=signed))
    fates.wait()
    assert len(fates.on_their_way()) == 1


def test_what_is_still_looked_into_is_told_when_that_is_done(fates: Fates) -> None:
    fates.home_refuses(fates.receives(verdict=None))
    fates.wait(20)
    assert not fates.on_their_way()
    fates.looked_into(verdict("pass"))
    fates.wait(10)
    assert len(fates.on_their_way()) == 1


def test_a_verdict_that_does_not_come_is_not_waited_for_for_ever(fates: Fates) -> None:
    fates.home_refuses(fates.receives(verdict=None))
    fates.wait(VERDICT_WITHIN / SECOND - 10)
    assert len(fates.untold()) == 1
    fates.wait(20)
    assert not fates.untold()
    fates.looked_into(verdict("pass"))
    fates.wait(POLL)
    assert not fates.on_their_way()


@pytest.mark.parametrize("sender", ["bert@example.org", "nobody@example.org", "bert+tag@EXAMPLE.org"])
@pytest.mark.parametrize("found", [FORGED, verdict("pass"), None])
def test_who_writes_from_outside_in_the_name_of_a_domain_of_ours_is_not_of_it(
    fates: Fates, sender: str, found: SenderVerdict | None
) -> None:
    fates.home_refuses(fates.receives(sender, verdict=found, notify="FAILURE,SUCCESS"))
    fates.wait(2 * VERDICT_WITHIN / SECOND)
    assert not fates.inbox(fates.bert)
    assert not fates.on_their_way()
    assert not fates.untold()
    assert fates.rows("SELECT count(*) FROM archive") == [(0,)]


def test_what_home_submits_for_somebody_who_is_no_user_of_ours_is_told_them(fates: Fates) -> None:
    fates.sends("far@far.example", sender="printer@example.org", account=None)
    fates.fails()
    fates.wait()
    ((recipient, destination, *_),) = fates.on_their_way()
    assert (recipient, destination) == ("printer@example.org", "example.org")


@pytest.mark.parametrize("found", [FORGED, None])
@pytest.mark.parametrize("what", ["passed on", "relayed", "deleted"])
def test_success_is_told_to_nobody_who_did_not_prove_who_they_are(
    fates: Fates, what: str, found: SenderVerdict | None
) -> None:
    if what == "passed on":
        fates.passes_on("SUCCESS", verdict=found, ret="FULL")
    else:
        row = fates.receives(notify="SUCCESS", ret="FULL", verdict=found)
        if what == "relayed":
            fates.home_takes(row, relayed=True)
        else:
            fates.run(change.remove, mailbox=inbox_of(fates), uids=uidset.of([1]))
            fates.run(owed.claim, ids=[row], give_up=10**15)
    fates.wait(2 * VERDICT_WITHIN / SECOND)
    assert not fates.on_their_way()
    assert not fates.untold()


def test_a_success_gives_back_no_more_than_the_header_whatever_ret_says(fates: Fates) -> None:
    fates.passes_on("SUCCESS", ret="FULL")
    fates.wait()
    ((*_, message),) = fates.on_their_way()
    assert message.get_payload()[-1].get_content_type() == "text/rfc822-headers"
    assert "Text" not in message.get_payload()[-1].get_payload()


def inbox_of(fates: Fates) -> int:
    (found,) = fates.rows("SELECT id FROM mailbox WHERE account = :a AND name = 'INBOX'", a=fates.anna)[0]
    return int(found)
