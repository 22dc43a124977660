"""Finds the conversations of mail that an older version of the program has stored, and forgets those that are gone.

Both are chores in short steps, beside the server's work, that go on where they stopped. Mail that waits has no
conversation until then: clients are told NIL, and webmail lists it message by message. On PostgreSQL a node of the
version before may still work beside this one: it appends entries without a conversation, and leaves those of entries
that it removes. So both go on looking.
"""

from __future__ import annotations

from functools import partial
from typing import Final, NamedTuple

from mpcontinuity.mailbox import conversations
from mpcontinuity.mailbox.append import MAX_UID, UID_BITS
from mpcontinuity.mailbox.conversations import Newcomer
from mpcontinuity.message.rendered import references
from mpcontinuity.model.clock import DAY
from mpcontinuity.store import meta
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

STEP: Final = 250  # entries of one transaction, of 2 KiB or so each
STRIDE: Final = 2_500  # ids of one transaction where no entry lacks anything
AGAIN: Final = DAY  # from the end of a round to the next, once all is filled in
_COUNTED: Final = 50_000  # entries that one transaction counts: 5 ms
_MAILBOXES: Final = 250  # that one transaction looks at
# Keys that a round looks at: with a round an hour all of a large store in some days, and a second of work at the most.
MOST_KEYS: Final = 100_000
_STEP_KEYS: Final = 1_000
# Entries that such a round looks for, by their ids alone.
MOST_ENTRIES: Final = 50_000
_STEP_ENTRIES: Final = 1_000

# Twice, since a copy of what had no conversation has none, and may stand where the first round had been already.
_ROUNDS: Final = 2
_ROUND, _AFTER, _ENDED = "conversations round", "conversations after", "conversations round ended"  # keys in `meta`
_SWEPT, _SWEPT_ENTRIES = "conversations swept", "conversations swept entries"
_LAST: Final = (1 << 63) - 1  # the last id that there can be

_NEXT = Statement(
    "SELECT COALESCE(MAX(id), 0), COUNT(*) FROM "
    "(SELECT id FROM entry WHERE id > :after AND id <= :upto ORDER BY id LIMIT :stride) AS following"
)
_LACKING = Statement(
    """SELECT entry.id, body, rendered, account FROM entry
        LEFT JOIN conversation_entry ON conversation_entry.id = entry.id
        LEFT JOIN mailbox ON mailbox.id = entry.id >> 32
    WHERE entry.id > :after AND entry.id <= :last AND conversation_entry.id IS NULL ORDER BY entry.id LIMIT :step"""
)
_OF_MAILBOXES = Statement("SELECT id, messages FROM mailbox WHERE id >= :first ORDER BY id LIMIT :step")
_COUNT = Statement(
    "SELECT COUNT(*) FROM (SELECT 1 FROM conversation_entry WHERE id BETWEEN :first AND :last LIMIT :most) AS there"
)
_NEXT_JOINED = Statement(
    "SELECT COALESCE(MAX(id), 0), COUNT(*) FROM "
    "(SELECT id FROM conversation_entry WHERE id > :after ORDER BY id LIMIT :step) AS following"
)
_GONE = Statement(
    """SELECT id FROM conversation_entry WHERE id > :after AND id <= :last AND NOT EXISTS
        (SELECT 1 FROM entry WHERE entry.id = conversation_entry.id)"""
)
_THERE = Statement("SELECT id FROM entry WHERE id IN [:ids]")
_KEYS = Statement("SELECT id FROM conversation_key WHERE id > :after ORDER BY id LIMIT :step")
_FORGET = Statement(
    """DELETE FROM conversation_key WHERE id > :after AND id <= :last AND NOT EXISTS
        (SELECT 1 FROM conversation_entry WHERE conversation_entry.conversation = conversation_key.conversation)"""
)


async def fill(store: Store) -> None:
    """Finds the conversations of all entries that have none. Once that is done, a round a day looks again."""
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
    """The entries of a step that have no conversation, and up to which id all were looked at; 0 where none is left.
    ``rounds`` and ``after`` say where it began."""

    rounds: int
    after: int
    lacking: list[Newcomer]
    last: int


def _lacking(tx: Transaction) -> _Found | None:
    rounds, after = meta.number(tx, _ROUND), meta.number(tx, _AFTER)
    if rounds < _ROUNDS:
        begin, upto = after, _LAST
    elif after or not 0 <= tx.now - meta.number(tx, _ENDED) < AGAIN:
        begin, upto = _differing(tx, after)
    else:
        return None
    if begin == upto:
        return _Found(rounds, after, [], upto)
    last, count = tx.all(_NEXT, after=begin, upto=upto, stride=STRIDE)[0]
    there = tx.all(_LACKING, after=begin, last=last, step=STEP)
    lacking = [
        Newcomer(account, id_, body, references(rendered))
        for id_, body, rendered, account in there
        if account is not None
    ]
    if len(there) == STEP:
        last = there[-1][0]
    elif upto < _LAST and count < STRIDE:
        last = upto
    return _Found(rounds, after, lacking, last)


def _differing(tx: Transaction, after: int) -> tuple[int, int]:
    """Behind which id, and up to which, there may be entries that have no conversation: of a mailbox that does not have
    as many conversations as messages, so that a round reads few entries. Both are the same where none has been met yet,
    and 0 where no mailbox is left.
    """
    counted = upto = 0
    mailboxes = tx.all(_OF_MAILBOXES, first=after + 1 >> UID_BITS, step=_MAILBOXES)
    for mailbox, messages in mailboxes:
        first, upto = mailbox << UID_BITS, mailbox << UID_BITS | MAX_UID
        if first < after:  # it is being gone through
            return after, upto
        count = tx.value(_COUNT, first=first, last=upto, most=messages + 1)
        if count != messages:
            return first, upto
        counted += count
        if counted >= _COUNTED:
            break
    return upto, upto


def _join(tx: Transaction, found: _Found) -> bool:
    ids = [one.entry for one in found.lacking]
    left = {id_ for (id_,) in tx.all(_THERE, ids=ids)}.difference(conversations.of(tx, ids))
    if left:
        conversations.join(tx, [one for one in found.lacking if one.entry in left])
    if (meta.number(tx, _ROUND), meta.number(tx, _AFTER)) == (found.rounds, found.after):
        meta.put(tx, _AFTER, str(found.last))
        if not found.last:
            meta.put(tx, _ROUND, str(found.rounds + 1))
            meta.put(tx, _ENDED, str(tx.now))
    return bool(found.last) or found.rounds + 1 < _ROUNDS


async def sweep(store: Store) -> None:
    """Forgets in which conversation an entry was that is gone, and then the keys of conversations of which no message
    is left: of both those next to where the last round stopped."""
    await _leave_gone(store)
    for _ in range(0, MOST_KEYS, _STEP_KEYS):
        if not await store.run(_sweep, bulk=True):
            return


async def _leave_gone(store: Store) -> None:
    """They are looked for beside the writer. Where none is, all that is written is where the round stopped."""
    begin = after = await store.read(partial(meta.number, key=_SWEPT_ENTRIES))
    for _ in range(0, MOST_ENTRIES, _STEP_ENTRIES):
        gone, after = await store.read(partial(_gone, after=after))
        if gone:
            await store.run(partial(conversations.leave, ids=gone), bulk=True)
        if not after:
            break
    if after != begin:
        await store.run(partial(meta.put, key=_SWEPT_ENTRIES, value=str(after)), bulk=True)


def _gone(tx: Transaction, after: int) -> tuple[list[int], int]:
    """Which of the next have no entry, and up to which id all were looked at; 0 where none is left."""
    last, count = tx.all(_NEXT_JOINED, after=after, step=_STEP_ENTRIES)[0]
    return [id_ for (id_,) in tx.all(_GONE, after=after, last=last)], last if count == _STEP_ENTRIES else 0


def _sweep(tx: Transaction) -> bool:
    """A step. Returns whether there are more keys behind it."""
    after = meta.number(tx, _SWEPT)
    keys = tx.all(_KEYS, after=after, step=_STEP_KEYS)
    if keys:
        tx.run(_FORGET, after=after, last=keys[-1][0])
    done = len(keys) < _STEP_KEYS
    meta.put(tx, _SWEPT, "0" if done else str(keys[-1][0]))
    return not done
