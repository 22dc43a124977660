"""Claimed rows as messages: which of them go in one transaction, and what their outcomes mean for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

import msgspec

from mpcontinuity.accounts.signing import Signer
from mpcontinuity.model import address
from mpcontinuity.model.address import Address
from mpcontinuity.model.body import Content
from mpcontinuity.model.events import DELIVERED, TrackingEvent
from mpcontinuity.model.outgoing import DELIVERED as IN_MAILBOX
from mpcontinuity.model.outgoing import EXPIRED, FAILED, OUTBOUND, PASSED_ON, RELAYED
from mpcontinuity.model.reply import Verdict
from mpcontinuity.outbound.world import Attempt, Letter
from mpcontinuity.queue import outgoing
from mpcontinuity.queue.outgoing import Outgoing
from mpcontinuity.queue.owed import event_of
from mpcontinuity.store.bodies.bodies import Bodies
from mpcontinuity.store.transaction import Transaction

_LONGEST_HEADER = 64 * 1024  # that is looked at

MOST_RECIPIENTS = 100  # of one transaction, which every server takes (RFC 5321 §4.5.3.1.8)


def by_transaction(rows: Iterable[Outgoing]) -> list[list[Outgoing]]:
    """Groups rows of one destination by what can go in one SMTP transaction; those of a message must follow each
    other."""
    groups = []
    for _, same in groupby(rows, _key):
        group = list(same)
        groups += [group[start : start + MOST_RECIPIENTS] for start in range(0, len(group), MOST_RECIPIENTS)]
    return groups


def _key(row: Outgoing) -> tuple[object, ...]:
    return row.body.id, row.domain, row.reverse_path, row.parameters.mail


async def letter(bodies: Bodies, rows: Sequence[Outgoing], signer: Signer) -> Letter:
    """Returns the message of one such group, signed as its domain has it. Raises Corrupt."""
    first = rows[0]
    content = bodies.content(first.body, skip_prefix=True)
    await content.load()
    # What users submit was checked to be in their own name (delivery/submission.py).
    trusted = first.kind == OUTBOUND and first.account is not None
    # What is read in pieces shows its damage only if it is read in sequence.
    read = content if content.whole is not None else bodies.content(first.body, skip_prefix=True)
    head = await signer.sign(first.domain, first.body.id, read, trusted=trusted)
    again = content if content.whole is not None else bodies.content(first.body, skip_prefix=True)
    return Letter(
        reverse_path=_path(first.reverse_path) if first.reverse_path else None,
        parameters=msgspec.structs.replace(first.parameters.mail, size=len(head) + content.length),
        recipients=[(_path(row.recipient), row.parameters.rcpt) for row in rows],
        head=head,
        content=content,
        utf8_header=first.parameters.mail.smtputf8 and await _has_utf8_header(again),
    )


def _path(text: str) -> Address:
    """A domain by its A-labels, which every server takes, unless the local part needs SMTPUTF8 anyway."""
    parsed = address.parse(text)
    if parsed.ascii or not parsed.local.isascii():
        return parsed
    return msgspec.structs.replace(parsed, text=f"{address.quote(parsed.local)}@{parsed.domain}")


async def _has_utf8_header(content: Content) -> bool:
    """What a client declares is not always needed: many say SMTPUTF8 of every message."""
    begin = await content.read(0, min(content.length, _LONGEST_HEADER))
    return not begin.partition(b"\r\n\r\n")[0].isascii()


class Settled(msgspec.Struct, frozen=True):
    """What became of each row of a group; None: nothing is to be recorded. ``delay`` in µs, until the next attempt.

    ``expires``: whether what is too late by the clock is given up.
    """

    rows: Sequence[Outgoing]
    attempts: Sequence[Attempt | None]
    delay: int
    expires: bool = True


def settle(tx: Transaction, groups: Sequence[Settled]) -> list[None]:
    """Records what became of them; the work of `Store.run_grouped`."""
    gone: list[tuple[Outgoing, TrackingEvent]] = []
    others: list[tuple[Outgoing, Attempt, Settled]] = []
    for group in groups:
        for row, attempt in zip(group.rows, group.attempts, strict=True):
            if attempt is None:
                continue
            if attempt.outcome.verdict is Verdict.ACCEPTED and not outgoing.stays(row, _how(attempt)):
                gone.append((row, event_of(attempt.outcome, attempt.host, tx.now)))
            else:
                others.append((row, attempt, group))
    outgoing.all_delivered(tx, sorted(gone, key=lambda each: each[0].id), DELIVERED)
    for row, attempt, group in sorted(others, key=lambda each: each[0].id):
        _settle(tx, row, attempt, group)
    return [None] * len(groups)


def _how(attempt: Attempt) -> str:
    return IN_MAILBOX if attempt.ours else PASSED_ON if attempt.dsn else RELAYED


def _settle(tx: Transaction, row: Outgoing, attempt: Attempt, group: Settled) -> None:
    event = event_of(attempt.outcome, attempt.host, tx.now)
    verdict = attempt.outcome.verdict
    if verdict is Verdict.ACCEPTED:
        outgoing.delivered(tx, row, event, DELIVERED, how=_how(attempt))
    elif verdict is Verdict.REFUSED:
        outgoing.end(tx, row, FAILED, event, outgoing.undelivered(row.kind, row.reverse_path))
    elif tx.now >= row.expires and group.expires:
        outgoing.end(tx, row, EXPIRED, event, outgoing.undelivered(row.kind, row.reverse_path))
    else:
        next_attempt = tx.now + group.delay
        outgoing.later(tx, row, event, min(next_attempt, row.expires) if tx.now < row.expires else next_attempt)
