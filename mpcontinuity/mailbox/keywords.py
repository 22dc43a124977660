"""The keywords of a mailbox, which are names of the bits 8 to 61 of its messages' flags (RFC 9051 §2.3.2).

They are compared without case.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.model.events import MailboxChanged
from mpcontinuity.model.flags import FIRST_KEYWORD, MAX_KEYWORDS
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

MAX_LENGTH = 200  # octets of one keyword: above any that is in use, and FLAGS stays a line of some KiB

_OF = Statement("SELECT bit, name FROM keyword WHERE mailbox = :mailbox ORDER BY bit")
_ADD = Statement("INSERT INTO keyword (mailbox, bit, name) VALUES (:mailbox, :bit, :name)")
_RAISE = Statement(
    "UPDATE mailbox SET modseq = modseq + 1 WHERE id = :mailbox AND modseq = :modseq RETURNING modseq, account"
)
_FREE = Statement("DELETE FROM keyword WHERE mailbox = :mailbox AND bit IN [:bits]")


class KeywordsFull(MailboxRefused):
    """Raised when the mailbox has no bit left for another keyword."""


def of(tx: Transaction, mailbox: int) -> dict[int, str]:
    """Returns the names of the mailbox's keywords, by bit."""
    return dict(tx.all(_OF, mailbox=mailbox))


def mask(tx: Transaction, mailbox: int, names: Collection[str], *, add: bool = True) -> int:
    """Returns the bits of keywords. New ones are added to the mailbox, whose row is locked, or ignored without ``add``.

    Raises KeywordsFull when the mailbox has no bit left, and MailboxRefused when a keyword is too long.
    """
    if not names:
        return 0
    if any(len(name) > MAX_LENGTH for name in names):
        raise MailboxRefused("LIMIT", f"a keyword has at most {MAX_LENGTH} characters")
    bits = {name.lower(): bit for bit, name in of(tx, mailbox).items()}
    new = {name.lower(): name for name in names if name.lower() not in bits} if add else {}
    if len(bits) + len(new) > MAX_KEYWORDS:
        raise KeywordsFull("LIMIT", f"a mailbox has at most {MAX_KEYWORDS} keywords, and this one has {len(bits)}")
    _insert(tx, mailbox, bits, new)
    return sum(1 << bits[name] for name in {name.lower() for name in names} if name in bits)


def offer(tx: Transaction, mailbox: int, names: Iterable[str]) -> int:
    """Adds those keywords that are new, as far as they are not too long and bits are left, and returns their bits.

    So what is copied or appended here keeps the keywords that fit.
    """
    fitting = {name.lower(): name for name in names if len(name) <= MAX_LENGTH}
    if not fitting:
        return 0
    bits = {name.lower(): bit for bit, name in of(tx, mailbox).items()}
    new = [(key, name) for key, name in fitting.items() if key not in bits]
    _insert(tx, mailbox, bits, dict(new[: MAX_KEYWORDS - len(bits)]))
    return sum(1 << bits[key] for key in fitting if key in bits)


def free(tx: Transaction, mailbox: int, bits: Collection[int], modseq: int) -> bool:
    """Forgets keywords that no message had at ``modseq``. Returns False if the mailbox has changed since."""
    row = tx.one(_RAISE, mailbox=mailbox, modseq=modseq)
    if row is None:
        return False
    tx.run(_FREE, mailbox=mailbox, bits=list(bits))
    raised, account = row
    tx.announce(MailboxChanged(mailbox, account, raised))
    return True


def _insert(tx: Transaction, mailbox: int, bits: dict[str, int], new: dict[str, str]) -> None:
    """Extends ``bits`` by the new names."""
    if new:
        taken = set(bits.values())
        free = (bit for bit in range(FIRST_KEYWORD, FIRST_KEYWORD + MAX_KEYWORDS) if bit not in taken)
        fresh = dict(zip(new, free, strict=False))
        tx.many(_ADD, [{"mailbox": mailbox, "bit": bit, "name": new[name]} for name, bit in fresh.items()])
        bits.update(fresh)
