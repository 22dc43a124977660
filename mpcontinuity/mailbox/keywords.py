"""Keywords of a mailbox: names of the bits 8 to 61 of its messages' flags, compared without case (RFC 9051 §2.3.2)."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.model.flags import FIRST_KEYWORD, MAX_KEYWORDS
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

MAX_LENGTH = 200  # octets of one keyword: above any that is in use, and FLAGS stays a line of some KiB

_OF = Statement("SELECT bit, name FROM keyword WHERE mailbox = :mailbox ORDER BY bit")
_ADD = Statement("INSERT INTO keyword (mailbox, bit, name) VALUES (:mailbox, :bit, :name)")


def of(tx: Transaction, mailbox: int) -> dict[int, str]:
    """Bit to name."""
    return dict(tx.all(_OF, mailbox=mailbox))


def mask(tx: Transaction, mailbox: int, names: Collection[str], *, add: bool = True) -> int:
    """Their bits; new ones are added to the mailbox, whose row is locked, or left out without ``add``.

    Raises MailboxRefused when the mailbox has no bit left or a keyword is too long.
    """
    if not names:
        return 0
    if any(len(name) > MAX_LENGTH for name in names):
        raise MailboxRefused("LIMIT", f"a keyword has at most {MAX_LENGTH} characters")
    bits = {name.lower(): bit for bit, name in of(tx, mailbox).items()}
    new = {name.lower(): name for name in names if name.lower() not in bits} if add else {}
    if len(bits) + len(new) > MAX_KEYWORDS:
        raise MailboxRefused("LIMIT", f"a mailbox has at most {MAX_KEYWORDS} keywords, and this one has {len(bits)}")
    _insert(tx, mailbox, bits, new)
    return sum(1 << bits[name] for name in {name.lower() for name in names} if name in bits)


def offer(tx: Transaction, mailbox: int, names: Iterable[str]) -> None:
    """Adds those that are new, as far as there are bits left: what is copied here keeps the keywords that fit."""
    bits = {name.lower(): bit for bit, name in of(tx, mailbox).items()}
    new = {name.lower(): name for name in names if name.lower() not in bits}
    _insert(tx, mailbox, bits, dict(list(new.items())[: MAX_KEYWORDS - len(bits)]))


def _insert(tx: Transaction, mailbox: int, bits: dict[str, int], new: dict[str, str]) -> None:
    """Extends ``bits`` by the new names."""
    if new:
        fresh = dict(zip(new, range(FIRST_KEYWORD + len(bits), FIRST_KEYWORD + MAX_KEYWORDS), strict=False))
        tx.many(_ADD, [{"mailbox": mailbox, "bit": bit, "name": new[name]} for name, bit in fresh.items()])
        bits.update(fresh)
