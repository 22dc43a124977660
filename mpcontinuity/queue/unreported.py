"""Rows that have ended or are late and whose sender was not told. Each function runs in one transaction.

Whoever ends a row marks it in the same transaction (outgoing.py, owed.py), so that no failure is forgotten. The
transaction that keeps the report takes the mark off.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from mpcontinuity.mailbox.names import ARCHIVED_USE
from mpcontinuity.model.body import Body
from mpcontinuity.model.errors import Reported
from mpcontinuity.model.events import REDIRECTED_HOST, ReportDue, TrackingEvent
from mpcontinuity.model.flags import ANSWERED, SEEN
from mpcontinuity.model.outgoing import INBOUND, RELAYED
from mpcontinuity.model.reply import Reply
from mpcontinuity.queue.outgoing import NewOutgoing
from mpcontinuity.queue.owed import Parameters, decode_parameters, encode_one
from mpcontinuity.store.statement import Rows, Statement
from mpcontinuity.store.transaction import Transaction

STEP = 500  # rows of one read

OUTGOING, OWED, LATE = "outgoing", "owed", "late"  # where a row was found


class Unreported(msgspec.Struct, frozen=True):
    """A row, with all that a report says of it. ``state`` is as in its table, and times are in µs."""

    found: str
    id: int
    domain: int
    account: int | None  # outgoing: whose mail it is; owed: who has it in a mailbox
    kind: str
    reverse_path: str
    recipient: str
    parameters: Parameters
    received: int
    expires: int  # of what is late
    state: str
    code: int
    text: str
    body: Body

    @property
    def from_outside(self) -> bool:
        """Whether a stranger sent it, so that anybody may have written its reverse path."""
        return not self.parameters.mail.submitted if self.found == OWED else self.kind == INBOUND

    @property
    def place(self) -> tuple[int, int]:
        """Where it is in the order of reading."""
        return (self.received if self.found == LATE else 0, self.id)


class Changed(Reported):
    """Raised when a row was reopened or reported meanwhile, so that what was to be said of it no longer holds."""


_COLUMNS = """{0}.id, domain, account, kind, reverse_path, recipient, parameters, received, {1}, state, last_code,
    last_text, body.id, pack, body."offset", length, prefix, crc"""
_ENDED = Statement(
    f"""SELECT {_COLUMNS.format("outgoing", "expires")} FROM outgoing JOIN body ON body.id = outgoing.body
    WHERE unreported = 1 AND outgoing.id > :after ORDER BY outgoing.id LIMIT :step"""
)
# While a flush is paused, whoever refused may be right about us, and nothing is said of what failed (contract
# 'Recovery').
_FAILED = Statement(
    f"""SELECT {_COLUMNS.format("owed", "0")} FROM owed JOIN body ON body.id = owed.body
    WHERE unreported = 1 AND owed.id > :after AND domain NOT IN (SELECT id FROM domain WHERE paused <> '')
    ORDER BY owed.id LIMIT :step"""
)
_LATE = Statement(
    f"""SELECT {_COLUMNS.format("outgoing", "expires")} FROM outgoing JOIN body ON body.id = outgoing.body
    WHERE ended = 0 AND told = 0 AND received <= :before AND kind = 'outbound'
        AND (received > :received OR received = :received AND outgoing.id > :after)
    ORDER BY received, outgoing.id LIMIT :step"""
)
_NEXT_LATE = Statement("SELECT MIN(received) FROM outgoing WHERE ended = 0 AND told = 0 AND received > :after")

START = (0, 0)


def ended(tx: Transaction, after: tuple[int, int]) -> list[Unreported]:
    """Returns up to STEP rows of `outgoing` behind ``after`` that have ended."""
    _, after_id = after
    return tx.records(partial(_row, OUTGOING), _ENDED, after=after_id, step=STEP)


def failed(tx: Transaction, after: tuple[int, int]) -> list[Unreported]:
    """Returns up to STEP rows of `owed` behind ``after`` that have ended, but none of a domain whose flush is
    paused."""
    _, after_id = after
    return tx.records(partial(_row, OWED), _FAILED, after=after_id, step=STEP)


def late(tx: Transaction, after: tuple[int, int], *, before: int) -> list[Unreported]:
    """Returns up to STEP rows of `outgoing` behind ``after`` that have waited since ``before`` (µs) or longer."""
    received, after_id = after
    return tx.records(partial(_row, LATE), _LATE, before=before, received=received, after=after_id, step=STEP)


def next_late(tx: Transaction, after: int) -> int | None:
    """Returns when the first row was received that came later than ``after`` (µs) and still waits, or None."""
    earliest = tx.value(_NEXT_LATE, after=after)
    return None if earliest is None else int(earliest)


def _row(
    found: str,
    id_: int,
    domain: int,
    account: int | None,
    kind: str,
    reverse_path: str,
    recipient: str,
    parameters: str,
    received: int,
    expires: int,
    state: str,
    code: int,
    text: str,
    *body: int,
) -> Unreported:
    return Unreported(
        found=found,
        id=id_,
        domain=domain,
        account=account,
        kind=kind,
        reverse_path=reverse_path,
        recipient=recipient,
        parameters=decode_parameters(parameters),
        received=received,
        expires=expires,
        state=state,
        code=code,
        text=text,
        body=Body(*body),
    )


_REPORTED = Statement("UPDATE outgoing SET unreported = 0 WHERE id IN [:ids] AND unreported = 1")
# What was delivered stayed for its report alone.
_FORGET = Statement(
    "DELETE FROM outgoing WHERE id IN [:ids] AND unreported = 0 AND state IN ('delivered', 'relayed') AND ended > 0"
)
_REPORTED_OWED = Statement("UPDATE owed SET unreported = 0 WHERE id IN [:ids] AND unreported = 1")
_TOLD = Statement("UPDATE outgoing SET told = :now WHERE id IN [:ids] AND told = 0 AND ended = 0")


def reported(tx: Transaction, rows: Sequence[Unreported]) -> None:
    """Takes the marks off rows that were found in the same place. Raises Changed."""
    ids = [row.id for row in rows]
    found = rows[0].found
    if found == OWED:
        marked = tx.run(_REPORTED_OWED, ids=ids)
    elif found == LATE:
        marked = tx.run(_TOLD, ids=ids, now=tx.now)
    else:
        marked = tx.run(_REPORTED, ids=ids)
        tx.run(_FORGET, ids=ids)
    if marked != len(ids):
        raise Changed


_PASSED_ON = Rows(
    """INSERT INTO outgoing (id, domain, body, kind, reverse_path, recipient, destination, parameters, received,
        expires, state, ended, unreported, last_code, last_text)
    VALUES [15]"""
)


def passed_on(tx: Transaction, rows: Sequence[NewOutgoing], reply: Reply) -> None:
    """Adds rows that have ended already: a home server that does not report has them, and their sender asked about
    success."""
    tx.run_rows(
        _PASSED_ON,
        [
            (
                new.id,
                new.domain,
                new.body,
                new.kind,
                new.reverse_path,
                new.recipient,
                new.destination,
                encode_one(new.parameters),
                new.received,
                new.expires,
                RELAYED,
                tx.now,
                1,
                reply.code,
                reply.line,
            )
            for new in rows
        ],
    )
    if rows:
        tx.announce(ReportDue())


# By content, as lineage.py judges whether the user has it.
_SEEN = Statement(
    f"""SELECT 1 FROM entry JOIN mailbox ON mailbox.id = entry.id >> 32
    WHERE entry.body IN (SELECT :body UNION ALL SELECT id FROM body WHERE origin = :body AND origin > 0)
    AND mailbox.account = :account AND mailbox.use <> '{ARCHIVED_USE}' AND entry.flags & :flags <> 0 LIMIT 1"""
)
_EVENTS = Statement("SELECT events FROM tracking WHERE owed = :id")
_events = msgspec.json.Decoder(list[TrackingEvent]).decode


def seen(tx: Transaction, account: int, body: int) -> bool:
    """Returns whether the user has read or answered the message, so that it has reached whom it was for."""
    return tx.one(_SEEN, account=account, body=body, flags=SEEN | ANSWERED) is not None


def host(tx: Transaction, row_id: int) -> str:
    """Returns the host that answered last, as ``host:port``; empty where none did, or tracking has dropped it."""
    events = tx.value(_EVENTS, id=row_id)
    said = [event.host for event in _events(events)] if events else []
    return next((host for host in reversed(said) if host and host != REDIRECTED_HOST), "")
