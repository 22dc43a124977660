"""Rows of `archive`: one per message that passed through, with all recipients of its transaction."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from mpcontinuity.model.clock import DAY
from mpcontinuity.store.statement import Rows
from mpcontinuity.store.transaction import Transaction

INBOUND, OUTBOUND = "inbound", "outbound"


class NewArchived(msgspec.Struct, frozen=True):
    """A message that is to be archived, with all recipients of its transaction.

    ``domain`` is the id of the domain, 0 for mail to the server's own postmaster; ``body`` is the id of what is stored;
    ``time`` is in µs and ``size`` in octets. ``retention_days`` is at least 1: with 0 nothing is archived.
    """

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
    """Returns when a message of ``time`` leaves the archive; both in µs."""
    return time + retention_days * DAY


def record_all(tx: Transaction, messages: Sequence[NewArchived]) -> None:
    """Inserts the messages' rows, within a transaction.

    The rows of their bodies say already that they are kept as long, or longer (``keep_until``).
    """
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
