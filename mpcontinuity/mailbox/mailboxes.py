"""A user's mailboxes: list, create, rename, delete, subscribe (RFC 9051 §6.3).

Each function runs in one transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from mpcontinuity.mailbox import change, conversations
from mpcontinuity.mailbox.append import MAX_UID, UID_BITS
from mpcontinuity.mailbox.names import (
    ARCHIVED_USE,
    EMAIL_ARCHIVE,
    INBOX,
    SEPARATOR,
    MailboxRefused,
    above,
    canonical,
    check,
    superiors,
)
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.events import MailboxChanged, MailboxListChanged
from mpcontinuity.model.texts import marked, said
from mpcontinuity.store import meta
from mpcontinuity.store.bodies.references import release
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

# RFC 6154 special uses, by the names that Outlook, iOS and Thunderbird show best.
STANDARD = {
    INBOX: "",
    "Sent": "\\Sent",
    "Drafts": "\\Drafts",
    "Trash": "\\Trash",
    "Junk": "\\Junk",
    "Archive": "\\Archive",
}
# Names per account, those above a mailbox included, where the settings say nothing else: LIST and STATUS of all of them
# stay one short read.
MAX_MAILBOXES = 1000
MAX_SUBSCRIPTIONS = 2 * MAX_MAILBOXES  # names outlive their mailboxes (RFC 9051 §6.3.7)

_COLUMNS = "id, account, name, use, uidvalidity, uidnext, modseq, messages, unseen, octets, deleted, recent"
_LISTING = Statement(f"SELECT {_COLUMNS} FROM mailbox WHERE account = :account ORDER BY name")
_FIND = Statement(f"SELECT {_COLUMNS} FROM mailbox WHERE account = :account AND name = :name")
_BY_ID = Statement(f"SELECT {_COLUMNS} FROM mailbox WHERE id = :id")
_BY_USE = Statement(f"SELECT {_COLUMNS} FROM mailbox WHERE account = :account AND use = :use ORDER BY id")
# A user who is being removed has one still, which is emptied by and by.
_INBOXES = Statement(
    """SELECT [account, mailbox.id] FROM mailbox JOIN account ON account.id = mailbox.account
    WHERE account IN [:accounts] AND mailbox.name = 'INBOX' AND account.status <> 'removed'"""
)
_NAMES = Statement("SELECT name, use FROM mailbox WHERE account = :account")
_INSERT = Statement(
    "INSERT INTO mailbox (id, account, name, use, uidvalidity) VALUES (:id, :account, :name, :use, :uidvalidity)"
)
_RENAME = Statement(
    "UPDATE mailbox SET name = :new || substr(name, CAST(:rest AS INTEGER)) "
    "WHERE account = :account AND (name = :old OR substr(name, 1, CAST(:length AS INTEGER)) = :below)"
)
_RENAME_ONE = Statement("UPDATE mailbox SET name = :name WHERE id = :id")
_AFTER = Statement("SELECT id FROM mailbox WHERE id > :after ORDER BY id LIMIT :step")
_HIGHEST_UIDVALIDITY = Statement("SELECT MAX(uidvalidity) FROM mailbox")
_RENEW = Statement("UPDATE mailbox SET uidvalidity = :uidvalidity, modseq = modseq + 1 WHERE id = :id")
_BODIES = Statement("SELECT DISTINCT body FROM entry WHERE id BETWEEN :first AND :last")
_DELETE_ENTRIES = Statement("DELETE FROM entry WHERE id BETWEEN :first AND :last")
_DELETE_EXPUNGED = Statement("DELETE FROM expunged WHERE mailbox = :mailbox")
_DELETE_KEYWORDS = Statement("DELETE FROM keyword WHERE mailbox = :mailbox")
_DELETE = Statement("DELETE FROM mailbox WHERE id = :mailbox")
_FORGET = Statement("DELETE FROM subscription WHERE account = :account")
_SUBSCRIPTIONS = Statement("SELECT name FROM subscription WHERE account = :account ORDER BY name")
_SUBSCRIBE = Statement("INSERT INTO subscription (account, name) VALUES (:account, :name) ON CONFLICT DO NOTHING")
_UNSUBSCRIBE = Statement("DELETE FROM subscription WHERE account = :account AND name = :name")

# Neither an id nor a UIDVALIDITY is ever used twice: a session that still has a deleted mailbox open must not find
# another's mail there, and a client must not take a new mailbox for the deleted one of that name. UIDVALIDITY follows
# the clock, so that it rises above what was handed out after the backup that a store was restored from.
_IDS, _UIDVALIDITIES = "mailbox", "uidvalidity"  # the keys in `meta` of those that were given out last


@dataclass(frozen=True, slots=True)
class MailboxInfo:
    r"""A row of the table ``mailbox``.

    ``octets`` and the counts are of all its messages, ``deleted`` is the number of those flagged ``\Deleted``.
    ``recent`` is the last UID that a session was told of as ``\Recent``.
    """

    id: int
    account: int
    name: str
    use: str
    uidvalidity: int
    uidnext: int
    modseq: int
    messages: int
    unseen: int
    octets: int
    deleted: int
    recent: int


def listing(tx: Transaction, account: int) -> list[MailboxInfo]:
    """Returns all mailboxes of an account."""
    return tx.records(MailboxInfo, _LISTING, account=account)


def find(tx: Transaction, account: int, name: str) -> MailboxInfo | None:
    """Returns the mailbox of this name, or None."""
    return tx.record(MailboxInfo, _FIND, account=account, name=canonical(name))


def by_id(tx: Transaction, mailbox: int) -> MailboxInfo | None:
    """Returns the mailbox with this id, or None."""
    return tx.record(MailboxInfo, _BY_ID, id=mailbox)


def by_use(tx: Transaction, account: int, use: str) -> MailboxInfo | None:
    r"""Returns the mailbox with a special use such as ``\Sent``, whatever the user called it, or None."""
    return tx.record(MailboxInfo, _BY_USE, account=account, use=use)


def inbox(tx: Transaction, account: int) -> int:
    """Returns the id of INBOX. Raises MailboxRefused for an account without one."""
    found = inboxes(tx, [account])
    if account not in found:
        raise MailboxRefused("NONEXISTENT", marked("the account has no INBOX"))
    return found[account]


def inboxes(tx: Transaction, accounts: Collection[int]) -> dict[int, int]:
    """Returns the ids of INBOX, by account. Accounts that were removed are left out."""
    return dict(tx.all(_INBOXES, accounts=accounts))


def get(tx: Transaction, account: int, name: str) -> MailboxInfo:
    """Returns the mailbox of this name. Raises MailboxRefused if there is none."""
    info = find(tx, account, name)
    if info is None:
        raise MailboxRefused("NONEXISTENT", marked("no mailbox of that name"))
    return info


def create(tx: Transaction, account: int, name: str, use: str = "", *, most: int | None = None) -> MailboxInfo:
    """Creates a mailbox, and those above it of which there is not even the name. Raises MailboxRefused.

    A separator at the end only says that there will be mailboxes below (RFC 9051 §6.3.4). ``most`` is how many names
    the account may have.
    """
    name = check(name.removesuffix(SEPARATOR))
    taken = dict(tx.all(_NAMES, account=account))
    if name in taken:
        raise MailboxRefused("ALREADYEXISTS", marked("there is a mailbox of that name"))
    if use and (use not in STANDARD.values() or use in taken.values()):
        raise MailboxRefused("USEATTR", marked("that special use is unknown, or another mailbox has it"))
    _refuse_below_archived(taken, name)
    named = above(taken).union(taken)
    missing = [superior for superior in superiors(name) if superior not in named]
    _check_number(len(named) + len(missing) + (name not in named), most)
    _insert(tx, account, [*((superior, "") for superior in missing), (name, use)])
    tx.announce(MailboxListChanged(account))
    return get(tx, account, name)


def _refuse_below_archived(taken: Mapping[str, str], name: str) -> None:
    if any(taken.get(superior) == ARCHIVED_USE for superior in superiors(name)):
        raise MailboxRefused(
            "NOPERM", said("%(name)s shows what is archived, and has no mailboxes below it", name=EMAIL_ARCHIVE)
        )


def _check_number(names: int, most: int | None) -> None:
    most = MAX_MAILBOXES if most is None else most
    if names > most:
        raise MailboxRefused("LIMIT", said("an account has at most %(most)d mailboxes", most=most))


def create_standard(tx: Transaction, account: int) -> None:
    """Creates the mailboxes that a new user begins with, and subscribes to them."""
    _insert(tx, account, list(STANDARD.items()))
    tx.many(_SUBSCRIBE, [{"account": account, "name": name} for name in STANDARD])
    tx.announce(MailboxListChanged(account))


def create_archived(tx: Transaction, account: int) -> MailboxInfo:
    """Creates the folder of mailbox/archived.py, whatever the quota, and subscribes to it. Raises MailboxRefused."""
    if find(tx, account, EMAIL_ARCHIVE) is not None:
        raise MailboxRefused("ALREADYEXISTS", marked("there is a mailbox of that name"))
    _insert(tx, account, [(EMAIL_ARCHIVE, ARCHIVED_USE)])
    tx.run(_SUBSCRIBE, account=account, name=EMAIL_ARCHIVE)
    tx.announce(MailboxListChanged(account))
    return get(tx, account, EMAIL_ARCHIVE)


def _insert(tx: Transaction, account: int, named: Sequence[tuple[str, str]]) -> None:
    count, seconds = len(named), tx.now // SECOND
    id_ = meta.raise_number(tx, _IDS, by=count) - count
    uidvalidity = meta.raise_number(tx, _UIDVALIDITIES, by=count, least=seconds) - count
    tx.many(
        _INSERT,
        [
            {"id": id_ + place, "account": account, "name": name, "use": use, "uidvalidity": uidvalidity + place}
            for place, (name, use) in enumerate(named, 1)
        ],
    )


def renew_uidvalidity(tx: Transaction, after: int, step: int) -> list[int]:
    """Gives the next ``step`` mailboxes by id a UIDVALIDITY above any before (RFC 9051 §2.3.1.1), and returns their
    ids.

    A database that is lost may have given their UIDs to other messages.
    """
    ids = [row[0] for row in tx.all(_AFTER, after=after, step=step)]
    if ids:
        count, seconds = len(ids), tx.now // SECOND
        highest = tx.value(_HIGHEST_UIDVALIDITY)
        least = max(seconds, highest)
        first = meta.raise_number(tx, _UIDVALIDITIES, by=count, least=least) - count
        tx.many(_RENEW, [{"id": one, "uidvalidity": first + place} for place, one in enumerate(ids, 1)])
    return ids


def rename(tx: Transaction, account: int, old: str, new: str, *, most: int | None = None) -> None:
    """Renames a mailbox, or a name alone, with all below it. Raises MailboxRefused.

    INBOX's messages move to the new mailbox, and INBOX is left empty (RFC 9051 §6.3.6): the very mailbox gets the new
    name, with its UIDs, and INBOX becomes a fresh one. What is below INBOX stays there. ``most`` is how many names the
    account may have.
    """
    old, new = canonical(old), check(new)
    taken = dict(tx.all(_NAMES, account=account))
    named = above(taken).union(taken)
    if old not in named:
        raise MailboxRefused("NONEXISTENT", marked("no mailbox of that name"))
    if taken.get(old) == ARCHIVED_USE:
        raise MailboxRefused("NOPERM", said("%(name)s shows what is archived, and keeps its name", name=EMAIL_ARCHIVE))
    _refuse_below_archived(taken, new)
    if new in named:
        raise MailboxRefused("ALREADYEXISTS", marked("there is a mailbox of that name"))
    if new.startswith(old + SEPARATOR) and old != INBOX:
        raise MailboxRefused("CANNOT", marked("a mailbox cannot be moved below itself"))
    moved = [] if old == INBOX else [name for name in taken if name.startswith(old + SEPARATOR)]
    for name in moved:
        check(new + name[len(old) :])
    missing = [superior for superior in superiors(new) if superior not in named]
    left = (taken.keys() - moved - {old}) | ({INBOX} if old == INBOX else set())
    names = left.union(missing, [new], (new + name[len(old) :] for name in moved))
    total = len(above(names) | names)
    if total > len(named):  # one that makes no more of them is free to who has too many
        _check_number(total, most)
    if old == INBOX:
        tx.run(_RENAME_ONE, id=get(tx, account, old).id, name=new)
        missing.append(INBOX)
    else:
        below = old + SEPARATOR
        tx.run(_RENAME, account=account, old=old, new=new, rest=len(old) + 1, below=below, length=len(below))
    if missing:
        _insert(tx, account, [(name, "") for name in missing])
    tx.announce(MailboxListChanged(account))


def delete(tx: Transaction, account: int, name: str) -> None:
    r"""Deletes a mailbox with its messages, which count as deleted by the user. Raises MailboxRefused.

    A standard folder cannot be deleted: the user's mail, owed or not, would go with it by a slip, and clients and our
    own copies of sent mail count on it. A mailbox that has others below it stays as a name, which LIST shows as
    ``\Noselect`` (RFC 3501 §6.3.4).
    """
    info = deletable(tx, account, name)
    _drop(tx, info)
    tx.announce(MailboxListChanged(account))


def deletable(tx: Transaction, account: int, name: str) -> MailboxInfo:
    """Returns the mailbox if ``delete`` would take it. Raises MailboxRefused."""
    info = get(tx, account, name)
    if info.use == ARCHIVED_USE:
        raise MailboxRefused("CANNOT", said("%(name)s shows what is archived, and cannot be deleted", name=info.name))
    if info.name == INBOX or info.use:
        raise MailboxRefused("CANNOT", marked("a standard folder cannot be deleted; delete the messages in it instead"))
    return info


def delete_all(tx: Transaction, account: int) -> None:
    """Deletes all mailboxes and subscriptions of an account that is removed."""
    for info in listing(tx, account):
        _drop(tx, info)
    tx.run(_FORGET, account=account)
    tx.announce(MailboxListChanged(account))


async def delete_in_steps(store: Store, account: int, name: str) -> None:
    """Does ``delete`` with a mailbox of any size, in transactions of its own. Raises MailboxRefused."""
    info = await store.read(partial(deletable, account=account, name=name))
    if info.messages > change.STEP:
        while await store.run(partial(change.empty, mailbox=info.id), bulk=True):
            pass
    await store.run(partial(delete, account=account, name=name))


def _drop(tx: Transaction, info: MailboxInfo) -> None:
    first, last = info.id << UID_BITS, info.id << UID_BITS | MAX_UID
    bodies = [row[0] for row in tx.all(_BODIES, first=first, last=last)]
    tx.run(_DELETE_ENTRIES, first=first, last=last)
    conversations.leave_all(tx, first, last)
    release(tx, bodies)
    for statement in (_DELETE_EXPUNGED, _DELETE_KEYWORDS, _DELETE):
        tx.run(statement, mailbox=info.id)
    tx.announce(MailboxChanged(info.id, info.account, info.modseq + 1))


def subscriptions(tx: Transaction, account: int) -> list[str]:
    """Returns the names that an account has subscribed to."""
    return [row[0] for row in tx.all(_SUBSCRIPTIONS, account=account)]


def subscribe(tx: Transaction, account: int, name: str) -> None:
    """Subscribes to a name, also to one without a mailbox, which may come back (RFC 9051 §6.3.7).

    Raises MailboxRefused.
    """
    name = check(name)
    known = subscriptions(tx, account)
    if name in known:
        return
    if len(known) >= MAX_SUBSCRIPTIONS:
        raise MailboxRefused("LIMIT", f"an account has at most {MAX_SUBSCRIPTIONS} subscriptions")
    tx.run(_SUBSCRIBE, account=account, name=name)
    tx.announce(MailboxListChanged(account))


def unsubscribe(tx: Transaction, account: int, name: str) -> None:
    """Ends the subscription to a name."""
    tx.run(_UNSUBSCRIBE, account=account, name=canonical(name))
    tx.announce(MailboxListChanged(account))
