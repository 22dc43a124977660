"""Rows of `archive`: one per message that passed through, with all recipients of its transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from mpcontinuity.model.clock import DAY
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

INBOUND, OUTBOUND = "inbound", "outbound"


@dataclass(frozen=True, slots=True)
class NewArchived:
    """``domain`` 0: mail to the server's own postmaster. ``retention_days`` at least 1: with 0 nothing is archived."""

    domain: int
    body: int
    time: int  # µs
    direction: str
    sender: str
    recipients: Sequence[str]
    subject: str
    message_id: str
    size: int
    retention_days: int


_INSERT = Statement(
    """INSERT INTO archive (id, domain, body, time, direction, sender, recipients, subject, message_id, size, expires)
    VALUES (:id, :domain, :body, :time, :direction, :sender, :recipients, :subject, :message_id, :size, :expires)"""
)

_encode = msgspec.json.Encoder().encode


def expiry(time: int, retention_days: int) -> int:
    """When a message of ``time`` leaves the archive, in µs."""
    return time + retention_days * DAY


def record(tx: Transaction, message: NewArchived) -> int:
    """Inserts the row; its id. The body's own row says the same or more (``keep_until`` at its insertion)."""
    row_id = tx.identifier()
    tx.run(
        _INSERT,
        id=row_id,
        domain=message.domain,
        body=message.body,
        time=message.time,
        direction=message.direction,
        sender=message.sender,
        recipients=_encode(message.recipients).decode(),
        subject=message.subject,
        message_id=message.message_id,
        size=message.size,
        expires=expiry(message.time, message.retention_days),
    )
    return row_id
