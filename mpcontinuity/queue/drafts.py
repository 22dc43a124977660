r"""Drafts that users wrote here in an outage and still have: home is owed them, where it has ``home-imap``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mpcontinuity.model.flags import DELETED
from mpcontinuity.queue.owed import DRAFT, NewOwed, take_in
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

STEP = 200  # drafts of one transaction

# Mailboxes in the order of their ids; entry.id is mailbox << 32 | uid.
_DRAFTS = Statement(
    r"""SELECT entry.id, account.id, account.address, entry.body, entry.size, entry.internaldate
    FROM mailbox JOIN account ON account.id = mailbox.account
        JOIN entry ON entry.id > mailbox.id << 32 AND entry.id < (mailbox.id + 1) << 32
    WHERE account.domain = :domain AND account.status <> 'removed' AND mailbox.use = '\Drafts'
        AND entry.id > :after AND entry.flags & :deleted = 0
        AND NOT EXISTS (SELECT 1 FROM owed WHERE owed.body = entry.body AND owed.kind = 'draft')
    ORDER BY entry.id LIMIT :step"""
)
_OWED = Statement("SELECT body FROM owed WHERE kind = 'draft' AND body IN [:bodies]")
_THERE = Statement("SELECT DISTINCT body FROM entry WHERE body IN [:bodies]")


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft that is not owed yet. ``entry`` is its row, ``received`` its internal date in µs."""

    entry: int
    account: int
    address: str
    body: int
    size: int
    received: int


def unowed(tx: Transaction, domain: int, after: int) -> list[Draft]:
    """Returns the next STEP drafts of a domain's users behind the entry ``after`` that home is not owed."""
    return tx.records(Draft, _DRAFTS, domain=domain, after=after, deleted=DELETED, step=STEP)


def owe(tx: Transaction, domain: int, drafts: Sequence[Draft]) -> None:
    """Takes drafts in, which home is owed from then on, unless they are gone meanwhile."""
    bodies = [draft.body for draft in drafts]
    there = {body for (body,) in tx.all(_THERE, bodies=bodies)} - {body for (body,) in tx.all(_OWED, bodies=bodies)}
    new: dict[int, NewOwed] = {}
    for draft in drafts:
        if draft.body in there and draft.body not in new:
            new[draft.body] = NewOwed(
                id=tx.identifier(),
                domain=domain,
                account=draft.account,
                body=draft.body,
                recipient=draft.address,
                reverse_path="",
                received=draft.received,
                size=draft.size,
                kind=DRAFT,
            )
    if new:
        take_in(tx, list(new.values()))
