"""What becomes of a user's message on its way home, as its rows of `owed` and `tracking` say, for that user to see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from mpcontinuity.model.events import TrackingEvent
from mpcontinuity.model.owed import NEVER, OPEN
from mpcontinuity.queue.lineage import judge_deleted
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

OPEN_STATES: Final = frozenset(OPEN)
MOST: Final = 10  # addresses of one user that a message was for
MOST_EVENTS: Final = 20  # of one row, the first and the last ones

# The message itself, or the one that the user's client has appended anew.
_ROWS = Statement(
    """SELECT owed.id, owed.kind, owed.recipient, owed.state, owed.received, owed.attempts, owed.next_attempt,
        owed.ended, owed.last_code, owed.last_text, COALESCE(tracking.events, '[]')
    FROM owed LEFT JOIN tracking ON tracking.owed = owed.id
    WHERE owed.account = :account AND owed.body IN (
        SELECT CAST(:body AS BIGINT) UNION ALL SELECT origin FROM body WHERE id = :body AND origin > 0)
    ORDER BY owed.id LIMIT :most"""
)
_events = msgspec.json.Decoder(list[TrackingEvent])


@dataclass(frozen=True, slots=True)
class Fate:
    """What is known of a message that home was, or is, owed.

    ``kind`` is redelivery for what came in, sent for the copy of what the user sent, draft for a draft. ``state`` is
    that of model/owed.py; ``deleted`` says that the user has deleted what is still owed, so that it would not be sent.
    ``held`` says that it waits for an administrator. Times are in µs, 0 for none. ``code`` and ``text`` are home's last
    words.
    """

    kind: str
    recipient: str
    state: str
    deleted: bool
    held: bool
    received: int
    attempts: int
    next_attempt: int
    ended: int
    code: int
    text: str
    events: tuple[TrackingEvent, ...]


def of_message(tx: Transaction, account: int, body: int) -> list[Fate]:
    """Returns what is known of a message of a user's, by its body: for each of their addresses, and nothing of any
    other's."""
    rows = tx.all(_ROWS, account=account, body=body, most=MOST)
    states = [state for _, _, _, state, *_ in rows]
    deleted = not OPEN_STATES.isdisjoint(states) and judge_deleted(tx, account, body)
    found = []
    for _, kind, recipient, state, received, attempts, next_attempt, ended, code, text, events in rows:
        told = _events.decode(events)
        if len(told) > MOST_EVENTS:
            told = [*told[: MOST_EVENTS // 2], *told[-MOST_EVENTS // 2 :]]
        found.append(
            Fate(
                kind,
                recipient,
                state,
                deleted and state in OPEN,
                next_attempt >= NEVER,
                received,
                attempts,
                next_attempt,
                ended,
                code,
                text,
                tuple(told),
            )
        )
    return found
