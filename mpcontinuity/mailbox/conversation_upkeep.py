"""Finds the conversations of mail that an older version of the program has stored, and forgets those that are gone.

Both are chores in short steps, beside the server's work, that go on where they stopped. Mail that waits has no
conversation until then: clients are told NIL, and webmail lists it message by message.
"""

from __future__ import annotations

from typing import Final

from mpcontinuity.mailbox import conversations
from mpcontinuity.mailbox.conversations import Newcomer
from mpcontinuity.message.rendered import references
from mpcontinuity.store import meta
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

STEP: Final = 250  # entries of one transaction, of 2 KiB or so each
# Keys that a round looks at: with a round an hour all of a large store in some days, and a second of work at the most.
MOST_KEYS: Final = 100_000
_STEP_KEYS: Final = 1_000

# Twice, since a copy of what had no conversation has none, and may stand where the first round had been already.
_ROUNDS: Final = 2
_ROUND, _AFTER, _SWEPT = "conversations round", "conversations after", "conversations swept"  # keys in `meta`

_NEXT = Statement(
    """SELECT entry.id, body, rendered, account, conversation FROM
        (SELECT id, body, rendered FROM entry WHERE id > :after ORDER BY id LIMIT :step) AS entry
        LEFT JOIN mailbox ON mailbox.id = entry.id >> 32
        LEFT JOIN conversation_entry ON conversation_entry.id = entry.id
    ORDER BY entry.id"""
)
_KEYS = Statement("SELECT id FROM conversation_key WHERE id > :after ORDER BY id LIMIT :step")
_FORGET = Statement(
    """DELETE FROM conversation_key WHERE id > :after AND id <= :last AND NOT EXISTS
        (SELECT 1 FROM conversation_entry WHERE conversation_entry.conversation = conversation_key.conversation)"""
)


async def fill(store: Store) -> None:
    """Finds the conversations of all entries that have none. Once that is done, there is nothing to do any more."""
    while await store.run(_fill, bulk=True):
        pass


def _fill(tx: Transaction) -> bool:
    """A step. Returns whether there is more to do."""
    rounds = meta.number(tx, _ROUND)
    if rounds >= _ROUNDS:
        return False
    there = tx.all(_NEXT, after=meta.number(tx, _AFTER), step=STEP)
    if not there:
        meta.put(tx, _ROUND, str(rounds + 1))
        meta.put(tx, _AFTER, "0")
        return rounds + 1 < _ROUNDS
    lacking = [
        Newcomer(account, id_, body, references(rendered))
        for id_, body, rendered, account, conversation in there
        if conversation is None and account is not None
    ]
    if lacking:
        conversations.join(tx, lacking)
    meta.put(tx, _AFTER, str(there[-1][0]))
    return True


async def sweep(store: Store) -> None:
    """Forgets the keys of conversations of which no message is left, those next to where the last round stopped."""
    for _ in range(0, MOST_KEYS, _STEP_KEYS):
        if not await store.run(_sweep, bulk=True):
            return


def _sweep(tx: Transaction) -> bool:
    """A step. Returns whether there are more keys behind it."""
    after = meta.number(tx, _SWEPT)
    keys = tx.all(_KEYS, after=after, step=_STEP_KEYS)
    if keys:
        tx.run(_FORGET, after=after, last=keys[-1][0])
    done = len(keys) < _STEP_KEYS
    meta.put(tx, _SWEPT, "0" if done else str(keys[-1][0]))
    return not done
