"""A folder by conversations, the one with the newest message first, and the messages of one conversation.

What is read is bounded: a page looks through its folder from the newest message down, as far as it needs, and of a
conversation no more than its newest messages are counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from mpcontinuity.mailbox import mailboxes, pages
from mpcontinuity.mailbox.append import MAX_UID, UID_BITS
from mpcontinuity.mailbox.mailboxes import MailboxInfo
from mpcontinuity.mailbox.names import ARCHIVED_USE
from mpcontinuity.mailbox.pages import Listed
from mpcontinuity.message.overview import Correspondent
from mpcontinuity.model.flags import DELETED, FLAGGED, SEEN
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

ROWS: Final = 50  # conversations of a page
MOST_COUNTED: Final = 100  # messages of a conversation that a list counts; of more it says that there are more
MOST_SHOWN: Final = 1_000  # messages of a conversation that can be opened in it, the newest; the folders have the rest

# What `opened` looks at, of all folders together: MOST_SHOWN of each where it is in ten or fewer of them.
_MOST_LOOKED_AT: Final = 10 * MOST_SHOWN
_AT_ONCE: Final = 500  # states of messages that one statement reads
_HEADERS: Final = 100  # that one transaction reads: 5 ms

_WALK: Final = 500  # messages of a folder that one transaction looks at
MOST_WALKED: Final = 20_000  # that one page looks at: a conversation may have any number of them
_ROOM: Final = 1_000  # rows that one transaction reads of conversations
_PEOPLE: Final = 4  # messages whose senders are named: a list has room for as many

# What is thrown away is in no conversation, unless its own folder is looked at; `Email Archive` has all once more.
_APART: Final = frozenset({"\\Trash", "\\Junk", ARCHIVED_USE})

_BELOW = Statement(
    """SELECT entry.id, COALESCE(conversation, 0) FROM entry
        LEFT JOIN conversation_entry ON conversation_entry.id = entry.id
    WHERE entry.id >= :first AND entry.id < :before ORDER BY entry.id DESC LIMIT :walk"""
)
_ABOVE = Statement(
    "SELECT 1 FROM conversation_entry WHERE conversation = :conversation AND id > :above AND id <= :last LIMIT 1"
)
_WITHIN = Statement(
    """SELECT id FROM conversation_entry WHERE conversation = :conversation AND id >= :first AND id <= :last
    ORDER BY id DESC LIMIT :most"""
)
_NEWEST = Statement(
    """SELECT id FROM conversation_entry WHERE conversation = :conversation AND id >> 32 IN [:mailboxes]
    ORDER BY id DESC LIMIT :most"""
)
_STATE = Statement("SELECT id, flags, internaldate, body FROM entry WHERE id IN [:ids]")


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a conversation: where it is, and what its row says. ``date`` is in µs."""

    mailbox: int
    uid: int
    flags: int
    date: int
    body: int


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as a folder lists it.

    ``id`` is 0 where none is known yet, as in mail of an older version for a while after the upgrade: it is a message
    on its own. ``newest`` is its newest message in the folder, ``uids`` are those in the folder, the newest first.
    ``count`` and ``unread`` are of all folders but Trash and Junk, and of MOST_COUNTED messages at most: where there
    are ``more``, they say "at least". ``people`` are those who wrote the newest messages, each once, the first first.
    """

    id: int
    newest: Listed
    uids: tuple[int, ...]
    count: int
    unread: int
    flagged: bool
    more: bool
    people: tuple[Correspondent, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Conversations of a folder. ``before`` is where the next page goes on; 0 where there is none."""

    rows: tuple[Conversation, ...]
    before: int


@dataclass(frozen=True, slots=True)
class _Head:
    conversation: int
    entry: int


async def page(store: Store, folder: MailboxInfo, before: int = MAX_UID + 1, limit: int = ROWS) -> Page:
    """Returns up to ``limit`` conversations of a folder whose newest message there has a UID below ``before``.

    Fewer come back where MOST_WALKED messages were looked at; the next page goes on behind those. Raises Temporary.
    """
    heads: list[_Head] = []
    seen: set[int] = set()
    before = min(before, MAX_UID + 1)  # what a browser says may be anything: behind it is another mailbox
    walked, upto = 0, before
    following = 0
    while walked < MOST_WALKED:
        found, upto, done = await store.read(
            partial(_heads, mailbox=folder.id, before=upto, above=before, seen=frozenset(seen), room=limit - len(heads))
        )
        heads += found
        seen.update(head.conversation for head in found)
        walked += _WALK
        following = 0 if done else upto
        if done or len(heads) >= limit:
            break
    return Page(await _rows(store, folder, heads), following)


def _heads(
    tx: Transaction, mailbox: int, before: int, above: int, seen: frozenset[int], room: int
) -> tuple[list[_Head], int, bool]:
    """Conversations whose newest message in the folder is among the next; the UID above which all is looked at; and
    whether nothing is left below it.

    One with a message above the page's beginning was on a page before.
    """
    base = mailbox << UID_BITS
    there = tx.all(_BELOW, first=base, before=base + before, walk=_WALK)
    known = set(seen)
    heads: list[_Head] = []
    for entry, conversation in there:
        if conversation in known:
            continue
        if len(heads) == room:
            return heads, (entry & MAX_UID) + 1, False
        if conversation:
            known.add(conversation)
            if above <= MAX_UID and _is_above(tx, conversation, base, above):
                continue
        heads.append(_Head(conversation, entry))
    if len(there) < _WALK:
        return heads, 1, True
    return heads, there[-1][0] & MAX_UID, False


def _is_above(tx: Transaction, conversation: int, base: int, above: int) -> bool:
    found = tx.one(_ABOVE, conversation=conversation, above=base + above - 1, last=base | MAX_UID)
    return found is not None


async def _rows(store: Store, folder: MailboxInfo, heads: Sequence[_Head]) -> tuple[Conversation, ...]:
    listed = await pages.listed(store, folder.id, [head.entry & MAX_UID for head in heads])
    newest = {one.uid: one for one in listed}
    members: list[tuple[list[Message], bool]] = []
    while len(members) < len(heads):
        members += await store.read(partial(_members, folder=folder, heads=heads[len(members) :]))
    spoken = [_speaking(some) for some, _ in members]
    senders = {(folder.id, uid): one.overview.sender for uid, one in newest.items()}
    unknown = [one for some in spoken for one in some if (one.mailbox, one.uid) not in senders]
    senders |= await _senders(store, unknown)
    rows = []
    for head, (messages, more), speaking in zip(heads, members, spoken, strict=True):
        uid = head.entry & MAX_UID
        if uid not in newest:  # it went meanwhile
            continue
        own = newest[uid]
        here = tuple(sorted((one.uid for one in messages if one.mailbox == folder.id), reverse=True)) or (uid,)
        people = dict.fromkeys(
            senders[one.mailbox, one.uid] for one in reversed(speaking) if (one.mailbox, one.uid) in senders
        )
        rows.append(
            Conversation(
                head.conversation,
                own,
                here,
                len({one.body for one in messages}) or 1,
                len({one.body for one in messages if not one.flags & SEEN}) if messages else int(not own.flags & SEEN),
                any(one.flags & FLAGGED for one in messages) or bool(own.flags & FLAGGED),
                more,
                tuple(people) or (own.overview.sender,),
            )
        )
    return tuple(rows)


def _members(tx: Transaction, folder: MailboxInfo, heads: Sequence[_Head]) -> list[tuple[list[Message], bool]]:
    """The messages of the first conversations, the newest first, and whether there are more; as many conversations as
    one transaction may read, at least one."""
    counted = sorted(_counted(tx, folder.account) | {folder.id})
    found: list[tuple[list[int], bool]] = []
    room = _ROOM
    for head in heads:
        if not head.conversation:
            found.append(([], False))
            continue
        if room < MOST_COUNTED and found:
            break
        there = tx.all(_NEWEST, conversation=head.conversation, mailboxes=counted, most=MOST_COUNTED + 1)
        ids = [id_ for (id_,) in there[:MOST_COUNTED]]
        room -= len(ids)
        found.append((ids, len(there) > MOST_COUNTED))
    states = _states(tx, [id_ for ids, _ in found for id_ in ids])
    return [
        (sorted((states[id_] for id_ in ids if id_ in states), key=_age, reverse=True), more) for ids, more in found
    ]


def _speaking(messages: Sequence[Message]) -> list[Message]:
    """The newest whose senders are named, each once, however often it was copied."""
    once: dict[int, Message] = {}
    for one in messages:
        once.setdefault(one.body, one)
    return list(once.values())[:_PEOPLE]


def _counted(tx: Transaction, account: int) -> set[int]:
    return {info.id for info in mailboxes.listing(tx, account) if info.use not in _APART}


def _states(tx: Transaction, ids: Sequence[int]) -> dict[int, Message]:
    """By their ids, those that are there and are not to be deleted."""
    return {
        id_: Message(id_ >> UID_BITS, id_ & MAX_UID, flags, date, body)
        for begin in range(0, len(ids), _AT_ONCE)
        for id_, flags, date, body in tx.all(_STATE, ids=ids[begin : begin + _AT_ONCE])
        if not flags & DELETED
    }


async def _senders(store: Store, messages: Sequence[Message]) -> dict[tuple[int, int], Correspondent]:
    found: dict[tuple[int, int], Correspondent] = {}
    uids: dict[int, list[int]] = {}
    for one in messages:
        uids.setdefault(one.mailbox, []).append(one.uid)
    for mailbox, some in uids.items():
        some.sort()
        for begin in range(0, len(some), _HEADERS):
            senders = await pages.senders(store, mailbox, some[begin : begin + _HEADERS])
            found |= {(mailbox, uid): sender for uid, sender in senders.items()}
    return found


async def listed(store: Store, places: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Listed]:
    """Returns messages of any mailboxes, given by these and their UIDs, as lists show them; those that are there.

    Raises Temporary.
    """
    uids: dict[int, list[int]] = {}
    for mailbox, uid in places:
        uids.setdefault(mailbox, []).append(uid)
    found: dict[tuple[int, int], Listed] = {}
    for mailbox, some in uids.items():
        for begin in range(0, len(some), ROWS):
            for one in await pages.listed(store, mailbox, some[begin : begin + ROWS]):
                found[mailbox, one.uid] = one
    return found


@dataclass(frozen=True, slots=True)
class Opened:
    """The messages of a conversation, the oldest first; ``more`` says that there are older ones in the folders."""

    messages: tuple[Message, ...]
    more: bool


def opened(tx: Transaction, account: int, conversation: int) -> Opened:
    """Returns the messages of a conversation in all folders of an account but Trash and Junk, each once.

    Nothing comes back where the account has none. The newest MOST_SHOWN of all folders are among them.
    """
    within = partial(tx.all, _WITHIN, conversation=conversation)
    spans = [(mailbox << UID_BITS, mailbox << UID_BITS | MAX_UID) for mailbox in sorted(_counted(tx, account))]
    there = [(first, last) for first, last in spans if within(first=first, last=last, most=1)]
    each = min(MOST_SHOWN, _MOST_LOOKED_AT // max(len(there), 1))
    newest: list[Message] = []
    more = False
    for first, last in there:
        ids = [row[0] for row in within(first=first, last=last, most=each + 1)]
        more |= len(ids) > each
        known = newest + list(_states(tx, ids[:each]).values())
        once = sorted({one.body: one for one in known}.values(), key=_age)
        more |= len(once) > MOST_SHOWN
        newest = once[-MOST_SHOWN:]
    return Opened(tuple(newest), more)


def _age(message: Message) -> tuple[int, int, int]:
    return message.date, message.mailbox, message.uid
