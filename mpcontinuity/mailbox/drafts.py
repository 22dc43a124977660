"""Messages that users write by webmail: what stands in the form, and the one message in Drafts that shows it.

A draft is a row. Whoever saves says which version they have seen, so that two windows do not overwrite each other. What
IMAP shows of it is one message, which the next one replaces in one transaction. A draft that is to be sent has a time
from which on it leaves; it ends in the transaction by which its message departs (delivery/departure.py), so that it is
sent once, whatever happens in between.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, Literal, NamedTuple

import msgspec

from mpcontinuity.mailbox import change, enclosures, invitation_answers, mailboxes, sent
from mpcontinuity.mailbox.append import UID_BITS
from mpcontinuity.mailbox.mailboxes import MailboxInfo
from mpcontinuity.model.clock import DAY, MINUTE, SECOND
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.texts import marked, said
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.store.upkeep import retention

USE: Final = "\\Drafts"
MOST: Final = 300  # drafts of a user that webmail writes: nobody has so many, and a program that makes them is stopped
UNDO: Final = 10 * SECOND  # from Send until a message leaves
LEASE: Final = MINUTE  # for which a process has a message in hand that leaves: longer than it takes
KEPT: Final = DAY  # of a draft whose message was deleted: a window in which it is open may still save it
# Why a message is not sent that was to leave when a backup was made that was put back.
RESTORED: Final = marked("The server was restored from a backup: look whether this message was sent before you send it")
STEP: Final = 100  # rows of one transaction
MOST_FAILED: Final = 3  # that are said: it is read with every page

_COLUMNS = "id, account, version, entry, written, due, message_id, fault, saved"
_FIND = Statement(f"SELECT {_COLUMNS} FROM draft WHERE id = :id AND account = :account")
_OF_ENTRY = Statement(f"SELECT {_COLUMNS} FROM draft WHERE account = :account AND entry = :entry")
_LEAVING = Statement(f"SELECT {_COLUMNS} FROM draft WHERE account = :account AND due > 0 ORDER BY due LIMIT {STEP}")
_FAILED = Statement(
    f"SELECT {_COLUMNS} FROM draft WHERE account = :account AND fault <> '' ORDER BY saved LIMIT {MOST_FAILED}"
)
_COUNT = Statement("SELECT COUNT(*) FROM draft WHERE account = :account")
_INSERT = Statement(
    """INSERT INTO draft (id, account, version, entry, written, saved)
    VALUES (:id, :account, 1, :entry, :written, :now) ON CONFLICT (id) DO NOTHING"""
)
_SAVE = Statement(
    """UPDATE draft SET version = version + 1, written = :written, fault = '', saved = :now
    WHERE id = :id AND account = :account AND version = :version AND due = 0"""
)
_BODY = Statement("SELECT body FROM entry WHERE id = :entry")
_SHOW = Statement("UPDATE draft SET entry = :entry WHERE id = :id")
_SEND = Statement(
    """UPDATE draft SET due = :due, claimed = 0, message_id = :message_id, fault = ''
    WHERE id = :id AND account = :account AND version = :version AND due = 0"""
)
_UNDO = Statement(
    """UPDATE draft SET due = 0, claimed = 0, message_id = '', version = version + 1, fault = '', saved = :now
    WHERE id = :id AND account = :account AND due > 0"""
)
_STAY = Statement(
    """UPDATE draft SET due = 0, claimed = 0, message_id = '', version = version + 1, fault = :fault, saved = :now
    WHERE due > 0"""
)
_CANNOT = Statement(
    """UPDATE draft SET due = 0, claimed = 0, message_id = '', version = version + 1, fault = :fault, saved = :now
    WHERE id = :id AND version = :version AND due > 0"""
)
# A time that lies further ahead than any was set says that the clock went back.
_DUE = "due > 0 AND (due <= :now OR due > :farthest) AND (claimed <= :now OR claimed > :longest)"
_WAITS = Statement(f"SELECT 1 FROM draft WHERE {_DUE} LIMIT 1")
_CLAIM = Statement(
    f"""UPDATE draft SET claimed = :until
    WHERE id IN (SELECT id FROM draft WHERE {_DUE} AND account > :after ORDER BY account, due LIMIT 1) AND {_DUE}
    RETURNING {_COLUMNS}"""
)
_LATER = Statement("UPDATE draft SET claimed = :until WHERE id = :id AND version = :version AND due > 0")
_LEAVE = Statement("DELETE FROM draft WHERE id = :id AND version = :version AND due > 0 RETURNING entry")
_DELETE = Statement("DELETE FROM draft WHERE id = :id AND account = :account AND due = 0 RETURNING entry")
_STAGED = Statement("DELETE FROM draft WHERE id = :id AND account = :account AND entry = 0 AND due = 0")
_ORPHAN = "due = 0 AND saved < :before AND NOT EXISTS (SELECT 1 FROM entry WHERE entry.id = draft.entry)"
_ORPHANS = Statement(f"SELECT id FROM draft WHERE {_ORPHAN} LIMIT :step")
_DROP_ORPHANS = Statement(f"DELETE FROM draft WHERE id IN [:ids] AND {_ORPHAN} RETURNING id")


class Written(msgspec.Struct, frozen=True):
    """What stands in the form. Addresses are as they were typed, since a draft may have half of one.

    ``about`` is the entry (mailbox << 32 | uid) of the message that is answered or forwarded, 0 for none.
    ``in_reply_to`` and ``references`` are ids of messages with their angle brackets.

    With ``rich`` the letter is ``html``, which has been judged (message/display/composed.py), and ``text`` is its plain
    text. ``original`` names the message that may be quoted, as ``folder.uid`` or ``archive:id``, and ``quoted`` says
    that it is, by the enclosure of that role.

    ``calendar`` is what a calendar is told beside the text (message/scheduling.py), where the letter answers an
    invitation.
    """

    sender: str = ""
    to: str = ""
    cc: str = ""
    bcc: str = ""
    subject: str = ""
    text: str = ""
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    about: int = 0
    how: Literal["", "reply", "forward"] = ""
    rich: bool = False
    html: str = ""
    original: str = ""
    quoted: bool = False
    calendar: str = ""


class Draft(msgspec.Struct, frozen=True):
    """A row of ``draft``. ``entry`` is that of its message in Drafts, 0 while there is none.

    ``due`` is when it leaves, in µs, and 0 while it is written; it has a ``message_id`` then. ``fault`` says in words
    why it was not sent, where that was tried. ``saved`` is in µs.
    """

    id: int
    account: int
    version: int
    entry: int
    written: Written
    due: int
    message_id: str
    fault: str
    saved: int

    @property
    def seen(self) -> DraftVersion:
        """This version of it."""
        return DraftVersion(self.id, self.version)


class DraftVersion(NamedTuple):
    """A draft as somebody has it in hand: whatever is saved, sent or called back meanwhile is another version."""

    id: int
    version: int


class DraftChanged(Refused):
    """Raised where a draft is another one than whoever saves has seen: it was saved in another window, or is gone."""

    ARGUMENTS = tuple[str]

    def __init__(self, text: str) -> None:
        super().__init__(text, "conflict")
        self.args = (text,)


class NotLeaving(Refused):
    """Raised where a message is to depart that was called back, or has departed already."""

    ARGUMENTS = tuple[str]

    def __init__(self, text: str) -> None:
        super().__init__(text, "conflict")
        self.args = (text,)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Written).decode


def _draft(
    id_: int, account: int, version: int, entry: int, written: str, due: int, message_id: str, fault: str, saved: int
) -> Draft:
    return Draft(id_, account, version, entry, _decode(written), due, message_id, fault, saved)


def _text(written: Written) -> str:
    """NUL is no character of a text for PostgreSQL."""
    return _encode(written).decode().replace("\\u0000", "\\ufffd")


def find(tx: Transaction, account: int, id_: int) -> Draft | None:
    """Returns a draft of the account; None where there is none of that id."""
    return tx.record(_draft, _FIND, id=id_, account=account)


def of_entry(tx: Transaction, account: int, entry: int) -> Draft | None:
    """Returns the draft of which the message is that entry; None where webmail did not write it."""
    return tx.record(_draft, _OF_ENTRY, account=account, entry=entry)


def leaving(tx: Transaction, account: int) -> list[Draft]:
    """Returns the drafts of the account that are about to leave, the next one first."""
    return tx.records(_draft, _LEAVING, account=account)


def failed(tx: Transaction, account: int) -> list[Draft]:
    """Returns the first drafts of the account that could not be sent, up to `MOST_FAILED`."""
    return tx.records(_draft, _FAILED, account=account)


def create(tx: Transaction, account: int, written: Written, id_: int, message_id: str, entry: int = 0) -> Draft:
    """Adds a draft. ``entry`` is its message, where a mail program has put it there.

    ``id_`` was given to the page where it is written, so that a form that is sent twice makes one draft; it leaves by
    ``message_id``. Where another user has a draft of that id, which a form can say that nobody gave to it, this one has
    a new id, and nobody hears of the other. Raises DraftChanged where it was made or sent already, and Refused.
    """
    if sent.find(tx, account, message_id) is not None:
        raise DraftChanged(marked("this message was sent already"))
    if tx.value(_COUNT, account=account) >= MOST:
        raise Refused(
            said("there are %(most)d drafts already: send or discard some of them first", most=MOST), "conflict"
        )
    row = {"account": account, "entry": entry, "written": _text(written), "now": tx.now}
    if not tx.run(_INSERT, id=id_, **row):
        fresh = tx.identifier()
        if find(tx, account, id_) is not None or not tx.run(_INSERT, id=fresh, **row):
            raise DraftChanged(marked("this draft was saved in another window"))
        id_ = fresh
    return Draft(id_, account, 1, entry, written, 0, "", "", tx.now)


def save(tx: Transaction, account: int, id_: int, version: int, written: Written) -> Draft:
    """Saves what stands in the form, and returns the draft with its new version. Raises DraftChanged."""
    if not tx.run(_SAVE, id=id_, account=account, version=version, written=_text(written), now=tx.now):
        raise DraftChanged(marked("this draft was changed in another window"))
    found = find(tx, account, id_)
    assert found is not None
    return found


def hide(tx: Transaction, draft: Draft) -> None:
    """Removes the message of a draft, in whose place another one comes."""
    if draft.entry:
        _remove(tx, draft.account, [draft.entry])


def show(tx: Transaction, draft: Draft, entry: int) -> None:
    """Notes which message shows a draft."""
    tx.run(_SHOW, id=draft.id, entry=entry)


def folder(tx: Transaction, account: int) -> MailboxInfo:
    """Returns the mailbox for drafts, which is made where the user has none."""
    info = mailboxes.by_use(tx, account, USE) or mailboxes.find(tx, account, "Drafts")
    return info or mailboxes.create(tx, account, "Drafts", USE)


def _remove(tx: Transaction, account: int, entries: Collection[int]) -> None:
    """Messages of drafts, wherever in the user's mailboxes they are. The room of large ones is given back within an
    hour or so, and not after the days in which most of a pack of small ones have been replaced."""
    for entry in sorted(entries):
        mailbox, uid = entry >> UID_BITS, entry & (1 << UID_BITS) - 1
        info = mailboxes.by_id(tx, mailbox)
        if info is not None and info.account == account:
            bodies = [body for (body,) in tx.all(_BODY, entry=entry)]
            change.remove(tx, mailbox, ((uid, uid),))
            retention.alone_due_now(tx, bodies)


def send(tx: Transaction, account: int, id_: int, version: int, message_id: str) -> int:
    """Has a draft leave after `UNDO`, by that id, and returns when, in µs. Raises DraftChanged."""
    due = tx.now + UNDO
    if not tx.run(_SEND, id=id_, account=account, version=version, due=due, message_id=message_id):
        raise DraftChanged(marked("this draft was changed in another window, or is being sent already"))
    return due


def undo(tx: Transaction, account: int, id_: int) -> bool:
    """Makes what was to leave a draft again, and returns whether it had not left yet."""
    return bool(tx.run(_UNDO, id=id_, account=account, now=tx.now))


def stay(tx: Transaction) -> int:
    """Makes drafts again of all that was to leave, and returns of how many: the database is an older copy of one from
    which they may have left."""
    return tx.run(_STAY, fault=RESTORED, now=tx.now)


def give_up(tx: Transaction, draft: DraftVersion, fault: str) -> bool:
    """Makes what was to leave a draft again, since it cannot, and returns whether it was still to leave.

    ``fault`` says why. One that was called back meanwhile, and perhaps is to leave again, is another version.
    """
    return bool(tx.run(_CANNOT, id=draft.id, version=draft.version, fault=fault, now=tx.now))


def claim(tx: Transaction, after: int = 0) -> Draft | None:
    """Returns the next draft whose time to leave has come, which no other process takes within `LEASE`.

    It is the first one of the user behind the account ``after``, in the order of their ids, as in a circle: who asks
    with the account of the last one takes users in turn, however much one of them has sent.
    """
    for behind in (after, 0) if after else (0,):
        found = tx.record(_draft, _CLAIM, **_times(tx), until=tx.now + LEASE, after=behind)
        if found is not None:
            return found
    return None


def later(tx: Transaction, draft: DraftVersion, wait: int) -> None:
    """Leaves a draft alone for ``wait`` µs, which cannot leave now."""
    tx.run(_LATER, id=draft.id, version=draft.version, until=tx.now + min(wait, LEASE))


def waits(tx: Transaction) -> bool:
    """Returns whether there is a draft for `claim`."""
    return tx.one(_WAITS, **_times(tx)) is not None


def _times(tx: Transaction) -> dict[str, int]:
    return {"now": tx.now, "farthest": tx.now + UNDO + MINUTE, "longest": tx.now + LEASE + MINUTE}


def leave(tx: Transaction, departing: Sequence[tuple[int, DraftVersion]]) -> dict[int, list[int]]:
    """Ends drafts whose messages depart in this transaction, each given with its account.

    Returns the entries of their messages, by account, for `forget` once the mailboxes are locked. Raises NotLeaving.
    """
    entries: dict[int, list[int]] = {}
    for account, (id_, version) in sorted(departing, key=lambda each: each[1]):
        row = tx.one(_LEAVE, id=id_, version=version)
        if row is None:
            raise NotLeaving("the message was called back, or has been sent already")
        if row[0]:
            entries.setdefault(account, []).append(row[0])
    enclosures.go(tx, [one.id for _, one in departing])
    return entries


def forget(tx: Transaction, account: int, entries: Collection[int]) -> None:
    """Removes the messages of drafts that were sent."""
    _remove(tx, account, entries)


def discard(tx: Transaction, account: int, id_: int) -> list[int]:
    """Removes a draft with its message, and returns what was attached to it, for `enclosures.drop_pieces`.

    Raises DraftChanged where it is being sent, or gone.
    """
    row = tx.one(_DELETE, id=id_, account=account)
    if row is None:
        raise DraftChanged(marked("this draft is being sent, or was discarded already"))
    if row[0]:
        _remove(tx, account, [row[0]])
    invitation_answers.drop(tx, [id_])
    return enclosures.go(tx, [id_])


def drop_staged(tx: Transaction, account: int, id_: int) -> list[int]:
    """Removes a draft that was never shown to anybody. Returns the ids of what was attached, for `drop_pieces`."""
    return enclosures.go(tx, [id_]) if tx.run(_STAGED, id=id_, account=account) else []


def orphans(tx: Transaction) -> list[int]:
    """Returns up to STEP drafts whose message in Drafts was deleted, and which nobody has saved for `KEPT`."""
    return [id_ for (id_,) in tx.all(_ORPHANS, before=tx.now - KEPT, step=STEP)]


def drop_orphans(tx: Transaction, ids: Sequence[int]) -> int:
    """Removes those of the drafts that are still as `orphans` says, and returns how many."""
    gone = [id_ for (id_,) in tx.all(_DROP_ORPHANS, ids=ids, before=tx.now - KEPT)]
    enclosures.go(tx, gone)
    invitation_answers.drop(tx, gone)
    return len(gone)
