"""Finds the conversations of mail that an older version of the program has stored, and forgets those that are gone.

Both are chores in short steps, beside the server's work, that go on where they stopped. Mail that waits has no
conversation until then: clients are told NIL, and webmail lists it message by message.
"""

from __future__ import annotations

from functools import partial
from typing import Final, NamedTuple

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
_THERE = Statement("SELECT id FROM entry WHERE id IN [:ids]")
_KEYS = Statement("SELECT id FROM conversation_key WHERE id > :after ORDER BY id LIMIT :step")
_FORGET = Statement(
    """DELETE FROM conversation_key WHERE id > :after AND id <= :last AND NOT EXISTS
        (SELECT 1 FROM conversation_entry WHERE conversation_entry.conversation = conversation_key.conversation)"""
)


async def fill(store: Store) -> None:
    """Finds the conversations of all entries that have none. Once that is done, there is nothing to do any more."""
    while await step(store):
        pass


async def step(store: Store) -> bool:
    """Finds those of the next entries, and returns whether there are more. They are read beside the writer, since
    they may have to come from the disk; what is joined then is what is still there and still has none."""
    found = await store.read(_lacking)
    if found is None:
        return False
    return await store.run(partial(_join, found=found), bulk=True)


class _Found(NamedTuple):
    """The entries of a step that have no conversation, and the last of all that were looked at; 0 where none is left.
    ``rounds`` and ``after`` say where it began."""

    rounds: int
    after: int
    lacking: list[Newcomer]
    last: int


def _lacking(tx: Transaction) -> _Found | None:
    rounds, after = meta.number(tx, _ROUND), meta.number(tx, _AFTER)
    if rounds >= _ROUNDS:
        return None
    there = tx.all(_NEXT, after=after, step=STEP)
    lacking = [
        Newcomer(account, id_, body, references(rendered))
        for id_, body, rendered, account, conversation in there
        if conversation is None and account is not None
    ]
    last = max((id_ for id_, *_ in there), default=0)
    return _Found(rounds, after, lacking, last)


def _join(tx: Transaction, found: _Found) -> bool:
    ids = [one.entry for one in found.lacking]
    left = {id_ for (id_,) in tx.all(_THERE, ids=ids)}.difference(conversations.of(tx, ids))
    if left:
        conversations.join(tx, [one for one in found.lacking if one.entry in left])
    if (meta.number(tx, _ROUND), meta.number(tx, _AFTER)) == (found.rounds, found.after):
        meta.put(tx, _AFTER, str(found.last))
        if not found.last:
            meta.put(tx, _ROUND, str(found.rounds + 1))
    return bool(found.last) or found.rounds + 1 < _ROUNDS


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
