"""What the index knows about a message: for whoever has to find it again, and for a head that is lost."""

from __future__ import annotations

import json
from typing import NamedTuple

from mpcontinuity.archive.record import INBOUND, OUTBOUND
from mpcontinuity.model import identifier
from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import iso
from mpcontinuity.model.owed import DELIVERED, OPEN
from mpcontinuity.routing.decision import Decision
from mpcontinuity.store.bodies.head import OUTGOING, Head
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

_ENTRIES = Statement(
    "SELECT account.address, mailbox.name, entry.id & 4294967295, entry.internaldate FROM entry "
    "JOIN mailbox ON mailbox.id = entry.id >> 32 JOIN account ON account.id = mailbox.account "
    "WHERE entry.body = :body ORDER BY entry.id LIMIT 5"
)
_OWED = Statement(
    "SELECT recipient, state, subject, reverse_path, message_id, received, id FROM owed WHERE body = :body ORDER BY id"
)
_OWNERS = Statement("SELECT recipient, account FROM owed WHERE body = :body AND kind = 'redelivery' ORDER BY id")
_ARCHIVE = Statement(
    "SELECT sender, recipients, subject, message_id, time, direction FROM archive WHERE body = :body LIMIT 1"
)


class _Entry(NamedTuple):
    address: str
    mailbox: str
    uid: int
    internaldate: int


class _Owed(NamedTuple):
    recipient: str
    state: str
    subject: str
    reverse_path: str
    message_id: str
    received: int
    id: int


class _Archived(NamedTuple):
    sender: str
    recipients: str  # JSON
    subject: str
    message_id: str
    time: int
    direction: str


def _entries(tx: Transaction, body: int) -> list[_Entry]:
    return tx.records(_Entry, _ENTRIES, body=body)


def _owed(tx: Transaction, body: int) -> list[_Owed]:
    return tx.records(_Owed, _OWED, body=body)


def _archived(tx: Transaction, body: int) -> _Archived | None:
    return tx.record(_Archived, _ARCHIVE, body=body)


def message(tx: Transaction, body: int) -> str:
    """Describes a message in one line: its id, subject, sender and time, in whose mailboxes it is, and whether home has
    it.
    """
    archived, owed = _archived(tx, body), _owed(tx, body)
    facts = []
    if archived is not None:
        facts.append(f'"{_short(archived.subject)}" from <{archived.sender}> of {iso(archived.time)}')
    elif owed:
        facts.append(f'"{_short(owed[0].subject)}" from <{owed[0].reverse_path}> of {iso(owed[0].received)}')
    facts += [f"{entry.address} {entry.mailbox} UID {entry.uid}" for entry in _entries(tx, body)]
    facts += [_home(row.recipient, row.state) for row in owed]
    if not owed and archived is not None and archived.direction == INBOUND:
        facts.append("home has it")
    return f"message {identifier.show(body)}" + (f" ({'; '.join(facts)})" if facts else "")


def _home(recipient: str, state: str) -> str:
    if state == DELIVERED:
        return f"home has it for {recipient}"
    return f"home is owed it for {recipient} ({state})" if state in OPEN else f"{state} for {recipient}"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else text[:59] + "…"


def decisions(tx: Transaction, body: int) -> dict[str, str]:
    """Returns what was decided of a message for each recipient, as the head of a pack entry would say it, as far as the
    index still knows it.
    """
    archived = _archived(tx, body)
    owed: dict[str, str] = {
        recipient: (Decision.HOLD if account is None else Decision.REDIRECT).value
        for recipient, account in tx.all(_OWNERS, body=body)
    }
    if archived is not None and archived.direction == OUTBOUND:
        return dict.fromkeys(json.loads(archived.recipients), OUTGOING)
    if archived is None:
        return owed
    rest = Decision.KEEP if owed else Decision.PASS
    return dict.fromkeys(json.loads(archived.recipients), rest.value) | owed


def head_of(tx: Transaction, body: Body) -> Head:
    """Returns a head as good as the index can make it, for a pack entry whose own is lost."""
    archived, owed = _archived(tx, body.id), _owed(tx, body.id)
    if archived is None and not owed:
        return _head_of_appended(tx, body)
    if archived is None:
        first = owed[0]
        sender, subject, message_id, time = first.reverse_path, first.subject, first.message_id, first.received
        addresses, direction = [row.recipient for row in owed], INBOUND
    else:
        sender, subject, message_id, time = archived.sender, archived.subject, archived.message_id, archived.time
        addresses, direction = json.loads(archived.recipients), archived.direction
    ids = {row.recipient: row.id for row in owed}
    return Head(
        id=body.id,
        time=time,
        direction=direction,
        reverse_path=sender,
        recipients=tuple(addresses),
        decisions=(
            dict.fromkeys(addresses, OUTGOING)
            if direction == OUTBOUND
            else {row.recipient: Decision.REDIRECT.value for row in owed}
        ),
        prefix=body.prefix,
        subject=subject,
        message_id=message_id,
        owed=tuple(ids.get(one, 0) for one in addresses) if owed else (),
    )


def _head_of_appended(tx: Transaction, body: Body) -> Head:
    """What only mailboxes know: a client appended it, or all that home was owed is over."""
    entries = _entries(tx, body.id)
    recipients = tuple(dict.fromkeys(entry.address for entry in entries))
    return Head(
        id=body.id,
        time=entries[0].internaldate if entries else tx.now,
        direction="append",
        recipients=recipients,
        decisions=dict.fromkeys(recipients, "append"),
    )
