"""What the index knows about a message: for whoever has to find it again, and for a head that is lost."""

from __future__ import annotations

import json

from mpcontinuity.archive.record import INBOUND, OUTBOUND
from mpcontinuity.model import identifier
from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import iso
from mpcontinuity.model.owed import DELIVERED, OPEN
from mpcontinuity.routing.decision import Way
from mpcontinuity.store.bodies.head import OUTGOING, Head
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

_ENTRIES = Statement(
    "SELECT account.address, mailbox.name, entry.id & 4294967295, entry.internaldate FROM entry "
    "JOIN mailbox ON mailbox.id = entry.id >> 32 JOIN account ON account.id = mailbox.account "
    "WHERE entry.body = :body ORDER BY entry.id LIMIT 5"
)
_OWED = Statement(
    "SELECT recipient, state, subject, reverse_path, message_id, received, id, parameters FROM owed "
    "WHERE body = :body ORDER BY id"
)
_OWNERS = Statement("SELECT recipient, account FROM owed WHERE body = :body AND kind = 'redelivery' ORDER BY id")
_ARCHIVE = Statement(
    "SELECT sender, recipients, subject, message_id, time, direction FROM archive WHERE body = :body LIMIT 1"
)


def message(tx: Transaction, body: int) -> str:
    """Describes a message in one line: its id, subject, sender and time, in whose mailboxes it is, and whether home has
    it.
    """
    archived = tx.one(_ARCHIVE, body=body)
    owed = tx.all(_OWED, body=body)
    facts = []
    if archived is not None:
        facts.append(f'"{_short(archived[2])}" from <{archived[0]}> of {iso(archived[4])}')
    elif owed:
        facts.append(f'"{_short(owed[0][2])}" from <{owed[0][3]}> of {iso(owed[0][5])}')
    facts += [f"{address} {name} UID {uid}" for address, name, uid, _ in tx.all(_ENTRIES, body=body)]
    facts += [_home(recipient, state) for recipient, state, *_ in owed]
    if not owed and archived is not None and archived[5] == INBOUND:
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
    archived = tx.one(_ARCHIVE, body=body)
    owed: dict[str, str] = {
        recipient: (Way.HOLD if account is None else Way.REDIRECT).value
        for recipient, account in tx.all(_OWNERS, body=body)
    }
    if archived is not None and archived[5] == OUTBOUND:
        return dict.fromkeys(json.loads(archived[1]), OUTGOING)
    if archived is None:
        return owed
    rest = Way.KEEP if owed else Way.PASS
    return dict.fromkeys(json.loads(archived[1]), rest.value) | owed


def head_of(tx: Transaction, body: Body) -> Head:
    """Returns a head as good as the index can make it, for a pack entry whose own is lost."""
    archived = tx.one(_ARCHIVE, body=body.id)
    owed = tx.all(_OWED, body=body.id)
    entries = tx.all(_ENTRIES, body=body.id)
    if archived is None and not owed:
        recipients = tuple(dict.fromkeys(row[0] for row in entries))
        time = entries[0][3] if entries else tx.now
        decisions = dict.fromkeys(recipients, "append")
        return Head(id=body.id, time=time, direction="append", recipients=recipients, decisions=decisions)
    if archived is None:
        _, _, subject, sender, message_id, time, *_ = owed[0]
        addresses = [row[0] for row in owed]
    else:
        sender, listed, subject, message_id, time, _ = archived
        addresses = json.loads(listed)
    ids = {row[0]: row[6] for row in owed}
    return Head(
        id=body.id,
        time=time,
        direction=archived[5] if archived is not None else INBOUND,
        reverse_path=sender,
        recipients=tuple(addresses),
        decisions=(
            dict.fromkeys(addresses, OUTGOING)
            if archived is not None and archived[5] == OUTBOUND
            else {row[0]: "redirect" for row in owed}
        ),
        prefix=body.prefix,
        subject=subject,
        message_id=message_id,
        owed=tuple(ids.get(one, 0) for one in addresses) if owed else (),
    )
