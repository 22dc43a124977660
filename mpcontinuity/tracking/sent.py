"""What became of a message that a user has sent, for each of those to whom it went, as tracking has it."""

from __future__ import annotations

from collections import Counter
from typing import Final

import msgspec

from mpcontinuity.model.address import BadAddress, parse
from mpcontinuity.model.clock import MINUTE
from mpcontinuity.model.events import DEFERRED, DELIVERED, QUEUED, TrackingEvent
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

MOST: Final = 50  # recipients that are named: of the others it is said how many there are
# Around the time of the copy that a mail program puts into Sent itself, within which its message was taken, and rows
# that are looked at for that. Our own copy has the very time.
_BEFORE: Final = 10 * MINUTE
_AFTER: Final = MINUTE
_SCAN: Final = 2_000
_MOST_RECIPIENTS: Final = 5_000  # more than one message may have

_COLUMNS: Final = "recipient, sender, status, code, text, events"
_EXACT = Statement(
    f"""SELECT {_COLUMNS} FROM tracking WHERE domain = :domain AND received = :time AND direction = 'outbound'
        AND message_id = :message_id ORDER BY id LIMIT {_MOST_RECIPIENTS}"""
)
_ABOUT = Statement(
    f"""SELECT {_COLUMNS} FROM tracking WHERE id IN (SELECT id FROM tracking
            WHERE domain = :domain AND received BETWEEN :first AND :last ORDER BY received DESC LIMIT {_SCAN})
        AND direction = 'outbound' AND message_id = :message_id ORDER BY id LIMIT {_MOST_RECIPIENTS}"""
)
_events = msgspec.json.Decoder(list[TrackingEvent])


class SentTo(msgspec.Struct, frozen=True):
    """What became of it for one recipient. ``status`` is one of model/events.py, and ``last`` the last step."""

    recipient: str
    status: str
    last: TrackingEvent


class Sent(msgspec.Struct, frozen=True):
    """What became of it for all: the first of them, those who did not get it before those who wait and those who have
    it, and how many there are of each status."""

    recipients: tuple[SentTo, ...]
    counts: dict[str, int]


def of_message(tx: Transaction, domain: int, own: frozenset[str], message_id: str, time: int) -> Sent:
    """Returns what became of a message of a user of this ``domain``.

    ``own`` has the keys of the addresses by which they write: of another's message of the same id nothing is told.
    ``time`` is that of the copy in their mailbox, in µs.
    """
    rows = tx.all(_EXACT, domain=domain, time=time, message_id=message_id)
    if not rows:
        rows = tx.all(_ABOUT, domain=domain, first=time - _BEFORE, last=time + _AFTER, message_id=message_id)
    theirs = [
        (status, recipient, code, text, steps)
        for recipient, sender, status, code, text, steps in rows
        if _is_own(sender, own)
    ]
    counts = Counter(status for status, *_ in theirs)
    shown = []
    for status, recipient, code, text, steps in sorted(theirs, key=_urgency)[:MOST]:
        events = _events.decode(steps)
        shown.append(SentTo(recipient, status, events[-1] if events else TrackingEvent(time, "", code, text)))
    return Sent(tuple(shown), dict(counts))


def _urgency(row: tuple[str, str, int, str, str]) -> int:
    status, *_ = row
    return {DELIVERED: 2, QUEUED: 1, DEFERRED: 1}.get(status, 0)


def _is_own(sender: str, own: frozenset[str]) -> bool:
    try:
        address = parse(sender)
    except BadAddress:
        return False
    return address.key in own or address.untagged_key in own
