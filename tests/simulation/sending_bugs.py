"""Bugs of what users send, for `scripts/plant`: each one a mistake that somebody could have made."""

from __future__ import annotations

from typing import Any
from unittest import mock

from mpcontinuity.delivery import departure
from mpcontinuity.mailbox import mailboxes, sent
from mpcontinuity.message import trace
from mpcontinuity.queue import outgoing, owed
from mpcontinuity.redelivery import attempt
from mpcontinuity.reports import policy
from mpcontinuity.reports.policy import ReportDecision
from mpcontinuity.store.transaction import Transaction
from tests.simulation.planted import Patches, bug

patch = mock.patch.object


@bug("sent-copy-in-inbox")
def _sent_copy_in_inbox() -> Patches:
    """The copy of what a user sends is put where all their mail is put."""

    def inbox(tx: Transaction, account: int) -> int:
        return mailboxes.inboxes(tx, {account})[account]

    return [patch(sent, "folder", inbox)]


@bug("no-sent-copy")
def _no_sent_copy() -> Patches:
    """The message leaves, and its author keeps nothing."""
    return [patch(departure, "_keep_copies", lambda *_: None)]


@bug("sent-copy-is-new-mail")
def _sent_copy_is_new_mail() -> Patches:
    """Nothing tells home's rule that it is a copy."""
    head = attempt.head
    return [patch(attempt, "head", lambda row: head(row).partition(b"X-MPContinuity-Copy")[0])]


@bug("sent-copy-not-owed")
def _sent_copy_not_owed() -> Patches:
    """Home does not hear of what users send through us."""
    return [patch(departure, "owed", mock.Mock(wraps=owed, SENT=owed.SENT, take_in=lambda tx, rows: None))]


@bug("sent-and-sent-again")
def _sent_and_sent_again() -> Patches:
    """A message that the world has is put off, as if it had been refused for now."""

    def put_off(tx: Transaction, arrived: Any, status: str) -> None:
        for row, event in arrived:
            outgoing.later(tx, row, event, tx.now)

    return [patch(outgoing, "all_delivered", put_off)]


@bug("refused-for-good-is-gone")
def _refused_for_good_is_gone() -> Patches:
    """A 5xx of the world ends a message as if it had arrived."""

    def forget(tx: Transaction, row: Any, state: str, event: Any, status: str) -> bool:
        outgoing.all_delivered(tx, [(row, event)], "delivered")
        return True

    return [patch(outgoing, "end", forget)]


@bug("no-bounce")
def _no_bounce() -> Patches:
    """Nobody hears of a message that was refused."""
    return [patch(policy, "decide", lambda row, facts: ReportDecision.NOTHING)]


@bug("report-refiled-is-deleted")
def _report_refiled_is_deleted() -> Patches:
    """What the server wrote itself is not known again when a client moves it by APPEND and EXPUNGE."""
    nothing = mock.Mock(search=lambda _: None)
    return [patch(trace, "_named_by_us", lambda hostname: nothing)]
