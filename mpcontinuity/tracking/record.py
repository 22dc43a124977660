"""Rows of `tracking`: one per message and recipient. All functions are work for one transaction.

``status`` is what the sender's server was told, for good; ``outcome`` is what became of what home was owed, and
redelivery adds its events to the same row. That it has changed is noted beside it for an hour or two, for those who
listen.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from mpcontinuity.model import owed as life
from mpcontinuity.model.events import TrackingEvent
from mpcontinuity.store.statement import Rows, Statement
from mpcontinuity.store.transaction import Transaction

INBOUND, OUTBOUND, REDELIVERY, RELEASE, ALERT, DSN = (
    "inbound",
    "outbound",
    "redelivery",
    "release",
    "alert",
    "dsn",
)
DIRECTIONS = (INBOUND, OUTBOUND, REDELIVERY, RELEASE, ALERT, DSN)


class NewRow(msgspec.Struct, frozen=True):
    """A message for one recipient, as tracking is to show it.

    ``domain`` is the id of the domain, 0 for none of ours. ``owed`` is the id of the row of `owed` whose life this one
    shows, or 0; both have the same id, so that what `track` shows is what `queue retry` takes, also when the row has
    ended. ``id`` is given to what is written later than it happened; 0 takes a fresh one.
    """

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


_INSERT = Rows(
    """INSERT INTO tracking (id, domain, received, direction, sender, recipient, recipient_key, message_id, subject,
        size, status, continuity, outcome, code, text, events, owed) VALUES [17]"""
)
# An event is put before the closing bracket of the array, without reading it.
_WITH_EVENT = "substr(events, 1, length(events) - 1) || CASE events WHEN '[]' THEN '' ELSE ',' END || :event || ']'"
_ADD_EVENT = Statement(f"UPDATE tracking SET events = {_WITH_EVENT} WHERE owed = :owed AND length(events) < :most")
# `deferred` stays for good where continuity handled a message; a copy of what a user sent has an end of its own.
_OUTCOME = Statement(
    f"""UPDATE tracking SET outcome = :outcome, events = {_WITH_EVENT},
        status = CASE WHEN direction <> 'redelivery' THEN status WHEN :outcome = 'delivered' THEN 'delivered'
            WHEN :outcome = 'owed' THEN 'queued' ELSE 'failed' END,
        code = CASE WHEN direction <> 'redelivery' THEN code ELSE :code END,
        text = CASE WHEN direction <> 'redelivery' THEN text ELSE :text END
    WHERE owed = :owed"""
)
_STATUS = Statement(
    f"UPDATE tracking SET status = :status, code = :code, text = :text, events = {_WITH_EVENT} WHERE owed = :owed"
)
_STATUS_ALL = Rows(
    f"""WITH new (owed, status, code, text, event) AS (VALUES [5])
    UPDATE tracking SET status = new.status, code = new.code, text = new.text,
        events = {_WITH_EVENT.replace(":event", "new.event")}
    FROM new WHERE tracking.owed = new.owed"""
)
_CHANGED = Statement("INSERT INTO tracking_change (time, id) VALUES (:now, :id) ON CONFLICT DO NOTHING")
_CHANGED_ALL = Rows("INSERT INTO tracking_change (time, id) VALUES [2] ON CONFLICT DO NOTHING")
_FORGET = Statement(
    "DELETE FROM tracking_change WHERE (time, id) IN"
    " (SELECT time, id FROM tracking_change WHERE time < :before ORDER BY time LIMIT :step)"
)
_EXPIRE = Statement(
    "DELETE FROM tracking WHERE id IN (SELECT id FROM tracking WHERE id < :before AND outcome <> 'owed'"
    " ORDER BY id LIMIT :step)"
)

# A message that is tried for weeks keeps what happened first and how it ended.
_MOST_EVENTS = 65536  # characters

STEP = 500  # rows of one transaction

_encode = msgspec.json.Encoder().encode


def record_all(tx: Transaction, rows: Sequence[NewRow]) -> None:
    """Inserts the rows."""
    tx.run_rows(
        _INSERT,
        [
            (
                row.owed or row.id or tx.identifier(),
                row.domain,
                row.received,
                row.direction,
                row.sender,
                row.recipient,
                row.recipient_key,
                row.message_id,
                row.subject,
                row.size,
                row.status,
                int(row.continuity),
                row.outcome,
                row.code,
                row.text,
                _encode(row.events).decode(),
                row.owed,
            )
            for row in rows
        ],
    )


def add_event(tx: Transaction, owed_id: int, event: TrackingEvent) -> None:
    """Adds a step to what tracking shows of an owed row; does nothing where its row is gone by retention."""
    tx.run(_ADD_EVENT, owed=owed_id, event=_encode(event).decode(), most=_MOST_EVENTS)


def end_of_owed(tx: Transaction, owed_id: int, outcome: str, event: TrackingEvent) -> None:
    """Shows an owed row as ended: ``outcome`` is one of model/owed.py, ``event`` the last step.

    The status of a message that continuity handled stays as it is; that of a copy of what a user sent becomes
    ``delivered`` where home has it, else ``failed``.
    """
    _set_outcome(tx, owed_id, outcome, event)


def end_of_outgoing(tx: Transaction, outgoing_id: int, status: str, event: TrackingEvent) -> None:
    """Shows a row of `outgoing` as ended: ``status`` is one of model/events.py, ``event`` the last step.

    The row of tracking has the id of the outgoing one in its column ``owed``.
    """
    tx.run(_STATUS, owed=outgoing_id, status=status, code=event.code, text=event.text, event=_encode(event).decode())
    tx.run(_CHANGED, now=tx.now, id=outgoing_id)


def end_of_all_outgoing(tx: Transaction, status: str, ended: Sequence[tuple[int, TrackingEvent]]) -> None:
    """Shows many rows of `outgoing` as ended, as `end_of_outgoing` does one; ``ended`` has the id and event of each."""
    tx.run_rows(_STATUS_ALL, [(each, status, event.code, event.text, _encode(event).decode()) for each, event in ended])
    tx.run_rows(_CHANGED_ALL, [(tx.now, each) for each, _ in ended])


def reopen_owed(tx: Transaction, owed_id: int, event: TrackingEvent) -> None:
    """Shows a row that had ended as owed again, with the step that reopened it."""
    _set_outcome(tx, owed_id, life.OWED, event)


def _set_outcome(tx: Transaction, owed_id: int, outcome: str, event: TrackingEvent) -> None:
    shown = _encode(event).decode()
    tx.run(_OUTCOME, owed=owed_id, outcome=outcome, code=event.code, text=event.text, event=shown)
    tx.run(_CHANGED, now=tx.now, id=owed_id)  # the row of what is owed has its id


def forget_changes(tx: Transaction, before: int) -> int:
    """Forgets up to STEP changes that were noted before that time (µs). Returns how many: call it again while that is
    STEP."""
    return tx.run(_FORGET, before=before, step=STEP)


def expire(tx: Transaction, before: int) -> int:
    """Drops up to STEP rows with an id below ``before`` (`identifier.first_at`); what is still owed stays.

    Returns how many it dropped: call it again while that is STEP.
    """
    return tx.run(_EXPIRE, before=before, step=STEP)
