"""Rows of `tracking`: one per message and recipient. All functions are work for one transaction.

``status`` is what the sender's server was told, for good; ``outcome`` is what became of what home was owed, and
redelivery adds its events to the same row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from mpcontinuity.model import owed as life
from mpcontinuity.model.events import TrackingEvent
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

INBOUND, OUTBOUND, REDELIVERY, RELEASE, ALERT, DSN = (
    "inbound",
    "outbound",
    "redelivery",
    "release",
    "alert",
    "dsn",
)


@dataclass(frozen=True, slots=True)
class NewRow:
    """``domain`` 0: none of ours. ``owed``: the row of `owed` whose life this one shows, or 0. Both have the same id:
    what `track` shows is what `queue retry` takes, also when the row has ended. ``id``: given to what is written later
    than it happened; 0: a fresh one."""

    domain: int
    received: int  # µs
    direction: str
    status: str  # model/events.py
    sender: str = ""  # empty: the null sender
    recipient: str = ""
    recipient_key: str = ""  # Address.key
    message_id: str = ""
    subject: str = ""
    size: int = 0
    continuity: bool = False
    outcome: str = ""  # model/owed.py; empty: nothing was owed
    code: int = 0
    text: str = ""
    events: Sequence[TrackingEvent] = ()
    owed: int = 0
    id: int = 0


_INSERT = Statement(
    """INSERT INTO tracking (id, domain, received, direction, sender, recipient, recipient_key, message_id, subject,
        size, status, continuity, outcome, code, text, events, owed)
    VALUES (:id, :domain, :received, :direction, :sender, :recipient, :recipient_key, :message_id, :subject,
        :size, :status, :continuity, :outcome, :code, :text, :events, :owed)"""
)
# An event is put before the closing bracket of the array, without reading it.
_WITH_EVENT = "substr(events, 1, length(events) - 1) || CASE events WHEN '[]' THEN '' ELSE ',' END || :event || ']'"
_ADD_EVENT = Statement(f"UPDATE tracking SET events = {_WITH_EVENT} WHERE owed = :owed AND length(events) < :most")
_OUTCOME = Statement(f"UPDATE tracking SET outcome = :outcome, events = {_WITH_EVENT} WHERE owed = :owed")
_EXPIRE = Statement(
    "DELETE FROM tracking WHERE id IN (SELECT id FROM tracking WHERE id < :before AND outcome <> 'owed'"
    " ORDER BY id LIMIT :step)"
)

# A message that is tried for weeks keeps what happened first and how it ended.
_MOST_EVENTS = 65536  # characters

STEP = 500  # rows of one transaction

_encode = msgspec.json.Encoder().encode


def _shape(event: TrackingEvent) -> tuple[int, str, int, str]:
    return event.time, event.host, event.code, event.text


def record(tx: Transaction, row: NewRow) -> int:
    """Inserts the row; its id."""
    row_id = row.owed or row.id or tx.identifier()
    tx.run(
        _INSERT,
        id=row_id,
        domain=row.domain,
        received=row.received,
        direction=row.direction,
        sender=row.sender,
        recipient=row.recipient,
        recipient_key=row.recipient_key,
        message_id=row.message_id,
        subject=row.subject,
        size=row.size,
        status=row.status,
        continuity=int(row.continuity),
        outcome=row.outcome,
        code=row.code,
        text=row.text,
        events=_encode([_shape(event) for event in row.events]).decode(),
        owed=row.owed,
    )
    return row_id


def record_all(tx: Transaction, rows: Iterable[NewRow]) -> None:
    for row in rows:
        record(tx, row)


def add_event(tx: Transaction, owed_id: int, event: TrackingEvent) -> None:
    """One more step of what is owed; nothing where its row is gone by retention."""
    tx.run(_ADD_EVENT, owed=owed_id, event=_encode(_shape(event)).decode(), most=_MOST_EVENTS)


def end_of_owed(tx: Transaction, owed_id: int, outcome: str, event: TrackingEvent) -> None:
    """What is owed has ended as ``outcome`` (model/owed.py)."""
    tx.run(_OUTCOME, owed=owed_id, outcome=outcome, event=_encode(_shape(event)).decode())


def reopen_owed(tx: Transaction, owed_id: int, event: TrackingEvent) -> None:
    """An administrator wants it tried again."""
    tx.run(_OUTCOME, owed=owed_id, outcome=life.OWED, event=_encode(_shape(event)).decode())


def expire(tx: Transaction, before: int) -> int:
    """Drops up to STEP rows with an id below ``before`` (identifier.first_at); what is still owed stays.

    Returns how many: call it again while that is STEP.
    """
    return tx.run(_EXPIRE, before=before, step=STEP)
