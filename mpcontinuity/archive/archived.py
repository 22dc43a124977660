"""Messages of the archive as they are shown, released and exported, and what is noted of their release."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from mpcontinuity.archive.record import OUTBOUND
from mpcontinuity.model.body import Body
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

_COLUMNS = """archive.id, archive.domain, archive.time, archive.direction, archive.sender, archive.recipients,
    archive.subject, archive.message_id, archive.size, archive.released,
    body.id, body.pack, body."offset", body.length, body.prefix, body.crc"""
_FIND = Statement(f"SELECT {_COLUMNS} FROM archive JOIN body ON body.id = archive.body WHERE archive.id IN [:ids]")
_LOCK = Statement("SELECT id FROM archive WHERE id IN [:ids] ORDER BY id [FOR UPDATE]")
_SET_RELEASED = Statement("UPDATE archive SET released = :new WHERE id = :id AND released = :known")

_recipients = msgspec.json.Decoder(tuple[str, ...])


@dataclass(frozen=True, slots=True)
class Archived:
    """A message of the archive.

    ``recipients`` are addresses of its domain if it came in, and all that it was sent to if it went out. ``released``
    is the time of its last release in µs, 0 for none; minus that time while a release is under way, or was cut off.
    """

    id: int
    domain: int
    time: int  # µs
    direction: str
    sender: str
    recipients: tuple[str, ...]
    subject: str
    message_id: str
    size: int
    released: int
    body: Body

    @property
    def owners(self) -> tuple[str, ...]:
        """The addresses of our users whose message it is: those who received it, or the one who sent it."""
        if self.direction == OUTBOUND:
            return (self.sender,) if self.sender else ()
        return self.recipients


def find(tx: Transaction, ids: Sequence[int]) -> list[Archived]:
    """Returns the messages with these ids that the archive has, in the order of the ids that are given."""
    found = {row[0]: _archived(*row) for row in tx.all(_FIND, ids=ids)}
    return [found[one] for one in ids if one in found]


def _archived(*row: Any) -> Archived:
    id_, domain, time, direction, sender, recipients, subject, message_id, size, released, *body = row
    given = _recipients.decode(recipients)
    where = Body(*body)
    return Archived(id_, domain, time, direction, sender, given, subject, message_id, size, released, where)


def lock(tx: Transaction, ids: Sequence[int]) -> set[int]:
    """Returns which of these the archive still has, and keeps them in it until the commit."""
    return {row[0] for row in tx.all(_LOCK, ids=ids)}


def set_released(tx: Transaction, archived: int, known: int, new: int) -> bool:
    """Notes a release, unless somebody else has noted another since ``known`` was read. Returns whether it is noted."""
    return tx.run(_SET_RELEASED, id=archived, known=known, new=new) == 1
