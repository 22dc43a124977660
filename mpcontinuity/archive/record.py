"""Rows of `archive`: one per message that passed through, with all recipients of its transaction."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from mpcontinuity.model.clock import DAY
from mpcontinuity.store.statement import Rows
from mpcontinuity.store.transaction import Transaction

INBOUND, OUTBOUND = "inbound", "outbound"


class NewArchived(msgspec.Struct, frozen=True):
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


_INSERT = Rows(
    """INSERT INTO archive (id, domain, body, time, direction, sender, recipients, subject, message_id, size, expires)
    VALUES [11]"""
)

_encode = msgspec.json.Encoder().encode


def expiry(time: int, retention_days: int) -> int:
    """When a message of ``time`` leaves the archive, in µs."""
    return time + retention_days * DAY


def record_all(tx: Transaction, messages: Sequence[NewArchived]) -> None:
    """Inserts their rows. The bodies' own rows say the same or more (``keep_until`` at their insertion)."""
    tx.run_rows(
        _INSERT,
        [
            (
                tx.identifier(),
                one.domain,
                one.body,
                one.time,
                one.direction,
                one.sender,
                _encode(one.recipients).decode(),
                one.subject,
                one.message_id,
                one.size,
                expiry(one.time, one.retention_days),
            )
            for one in messages
        ],
    )
