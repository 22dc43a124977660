"""Conversations: which messages of a user belong together, found when a message comes, and never changed (RFC 8474 §5.2
calls that a thread, and its id the THREADID).

A message belongs to the conversation in which its Message-ID was named before, else to that of the last message that it
answers and that is known, else it begins one. What it names is known from then on, also what never came. A message that
would join two conversations joins neither: an id that clients were told of stays what it was. Conversations are of one
account and of all its folders. Every function is part of a transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from mpcontinuity.store.statement import Rows, Statement
from mpcontinuity.store.transaction import Transaction

_KNOWN = Statement("SELECT [id, conversation] FROM conversation_key WHERE id IN [:keys]")
_KEEP = Rows("INSERT INTO conversation_key (id, conversation) VALUES [2] ON CONFLICT (id) DO NOTHING")
_JOIN = Rows("INSERT INTO conversation_entry (id, conversation) VALUES [2] ON CONFLICT (id) DO NOTHING")
_COPY = Statement(
    """INSERT INTO conversation_entry (id, conversation)
    SELECT :before + copied.place, conversation_entry.conversation
    FROM (SELECT id, row_number() OVER (ORDER BY id) AS place FROM entry WHERE id IN [:ids]) AS copied
        JOIN conversation_entry ON conversation_entry.id = copied.id"""
)
_LEAVE = Statement("DELETE FROM conversation_entry WHERE id IN [:ids]")
_LEAVE_ALL = Statement("DELETE FROM conversation_entry WHERE id BETWEEN :first AND :last")
_ENTRIES = Statement(
    "SELECT id FROM conversation_entry WHERE conversation = :conversation AND id BETWEEN :first AND :last"
)
_WITH_OTHERS = Statement(
    """SELECT conversation FROM conversation_entry AS own WHERE id = :entry AND EXISTS (SELECT 1
        FROM conversation_entry AS other WHERE other.conversation = own.conversation AND other.id <> own.id)"""
)
_OF = Statement("SELECT id, conversation FROM conversation_entry WHERE id IN [:ids]")
_OF_SPAN = Statement("SELECT id, conversation FROM conversation_entry WHERE id BETWEEN :first AND :last")

_WORD = (1 << 64) - 1
_ACCOUNT_BITS = 16
_KEY_BITS = 63 - _ACCOUNT_BITS
_SPREAD = 0x9E3779B97F4A7C15  # odd, with bits all over (Knuth's multiplicative hashing)


class Newcomer(NamedTuple):
    """An entry that is to get its conversation. ``digests`` are those of message/references.py."""

    account: int
    entry: int
    body: int
    digests: tuple[int, ...]


def join(tx: Transaction, newcomers: Sequence[Newcomer]) -> None:
    """Finds the conversation of each, one after the other, and notes it.

    One lookup and two inserts for all of them: it is part of every message's way. Where another transaction keeps one
    of the keys at the same moment (on PostgreSQL, for another folder), the insert waits for its end, and PostgreSQL has
    this one done again, since it reads a snapshot from before that: so it finds what the other has kept.
    """
    keyed = [(one, _keys(one)) for one in newcomers]
    known: dict[int, int] = dict(tx.all(_KNOWN, keys={key for _, keys in keyed for key in keys}))
    fresh: list[tuple[int, int]] = []
    joined: list[tuple[int, int]] = []
    for one, keys in keyed:
        own, *answered = keys
        conversation = known.get(own) or next((known[key] for key in reversed(answered) if key in known), 0)
        if not conversation:
            conversation = tx.identifier()
        joined.append((one.entry, conversation))
        for key in keys:
            if key not in known:
                known[key] = conversation
                fresh.append((key, conversation))
    tx.run_rows(_JOIN, joined)
    # In the order of the keys, as everywhere: two transactions cannot wait for each other.
    tx.run_rows(_KEEP, sorted(fresh))


def _keys(one: Newcomer) -> list[int]:
    """The keys of the message itself and of those that it answers.

    A message without a Message-ID goes by its content, so that another entry of the same has the same conversation.
    The keys of an account stand together in the table. One digest gives every account a key of its own.
    """
    own, *answered = one.digests
    turned = one.account * _SPREAD & _WORD
    place = turned >> 64 - _ACCOUNT_BITS << _KEY_BITS
    turned |= 1
    digests = own or one.body * _SPREAD & _WORD, *answered
    return [place | (digest * turned & _WORD) >> 64 - _KEY_BITS for digest in digests]


def copy(tx: Transaction, ids: Collection[int], before: int) -> None:
    """Has the copies of entries in the same conversations: the n-th of them, by its id, is ``before`` + n."""
    tx.run(_COPY, ids=ids, before=before)


def leave(tx: Transaction, ids: Collection[int]) -> None:
    """Forgets entries that are removed."""
    tx.run(_LEAVE, ids=ids)


def leave_all(tx: Transaction, first: int, last: int) -> None:
    """Forgets the entries of a mailbox that is removed, by their first and last possible id."""
    tx.run(_LEAVE_ALL, first=first, last=last)


def of(tx: Transaction, ids: Sequence[int]) -> dict[int, int]:
    """Returns the conversations of entries, which rise, as far as they have one already."""
    if ids and ids[-1] - ids[0] < 2 * len(ids):
        return dict(tx.all(_OF_SPAN, first=ids[0], last=ids[-1]))
    return dict(tx.all(_OF, ids=ids))


def entries(tx: Transaction, conversation: int, first: int, last: int) -> list[int]:
    """Returns the entries of a conversation from the id ``first`` to the id ``last``."""
    return [id_ for (id_,) in tx.all(_ENTRIES, conversation=conversation, first=first, last=last)]


def with_others(tx: Transaction, entry: int) -> int:
    """Returns the conversation of an entry where others are in it too; 0 where there are none."""
    return int(tx.value(_WITH_OTHERS, entry=entry) or 0)
