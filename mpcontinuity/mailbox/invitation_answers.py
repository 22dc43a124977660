"""The table ``invitation_answer``: what a user has answered to invitations. Each function is part of a transaction.

An answer is a letter, which is a draft until it leaves: a row whose draft is there has not been sent, and one whose
draft is gone was, since a draft that is discarded takes its row along, or gives back what was sent before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Final

import msgspec

from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

MOST: Final = 2_000  # of one user, years of them: with more the oldest goes, and can be answered anew

_NOTE = Statement(
    """INSERT INTO invitation_answer (account, event, draft, answer, time)
    VALUES (:account, :event, :draft, :answer, :now)
    ON CONFLICT (account, event) DO UPDATE SET draft = excluded.draft, answer = excluded.answer, time = excluded.time,
        sent_answer = CASE WHEN EXISTS (SELECT 1 FROM draft WHERE draft.id = invitation_answer.draft)
            THEN invitation_answer.sent_answer ELSE invitation_answer.answer END,
        sent_time = CASE WHEN EXISTS (SELECT 1 FROM draft WHERE draft.id = invitation_answer.draft)
            THEN invitation_answer.sent_time ELSE invitation_answer.time END"""
)
_TRIM = Statement(
    """DELETE FROM invitation_answer WHERE account = :account AND event IN (SELECT event FROM invitation_answer
        WHERE account = :account ORDER BY time DESC, event LIMIT 1000000 OFFSET :most)"""
)
_FIND = Statement(
    """SELECT answer, time, invitation_answer.draft, COALESCE(draft.id, 0) <> 0, COALESCE(draft.due, 0) > 0
    FROM invitation_answer LEFT JOIN draft ON draft.id = invitation_answer.draft
    WHERE invitation_answer.account = :account AND event = :event"""
)
_GIVE_BACK = Statement(
    """UPDATE invitation_answer SET draft = 0, answer = sent_answer, time = sent_time, sent_answer = '', sent_time = 0
    WHERE draft IN [:drafts] AND sent_time > 0"""
)
_DROP = Statement("DELETE FROM invitation_answer WHERE draft IN [:drafts]")
_FORGET = Statement("DELETE FROM invitation_answer WHERE account = :account")


class Answered(msgspec.Struct, frozen=True):
    """What was answered, and when, in µs. ``waits`` says that its letter has not left, and ``leaves`` that it is about
    to; ``draft`` is the id of that letter."""

    answer: str
    time: int
    draft: int
    waits: bool
    leaves: bool


def event_of(uid: str, recurrence: str) -> str:
    """Returns the key of an event: of one of many the ``recurrence`` says which."""
    return hashlib.sha256(f"{uid}\n{recurrence}".encode("utf-8", "replace")).hexdigest()[:40]


def note(tx: Transaction, account: int, event: str, draft: int, answer: str) -> None:
    """Notes that a draft answers an event."""
    tx.run(_NOTE, account=account, event=event, draft=draft, answer=answer, now=tx.now)
    tx.run(_TRIM, account=account, most=MOST)


def find(tx: Transaction, account: int, event: str) -> Answered | None:
    """Returns what the user has answered; None where they have not."""
    return tx.record(_answered, _FIND, account=account, event=event)


def drop(tx: Transaction, drafts: Collection[int]) -> None:
    """Forgets answers that are not sent, since their drafts are discarded: what was sent before them stands."""
    if drafts:
        tx.run(_GIVE_BACK, drafts=list(drafts))
        tx.run(_DROP, drafts=list(drafts))


def forget(tx: Transaction, account: int) -> None:
    """Forgets all that a user has answered, who is removed."""
    tx.run(_FORGET, account=account)


def _answered(answer: str, time: int, draft: int, waits: int, leaves: int) -> Answered:
    return Answered(answer, time, draft, bool(waits), bool(leaves))
