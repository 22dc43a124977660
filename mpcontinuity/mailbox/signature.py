"""The table ``signature``: the text that stands below what a user writes. Each function is part of a transaction."""

from __future__ import annotations

from typing import Final

import msgspec

from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

LONGEST: Final = 2_000  # characters: a business address with what the law wants below it, in two languages

_FIND = Statement("SELECT text, new, answers FROM signature WHERE account = :account")
_SAVE = Statement(
    """INSERT INTO signature (account, text, new, answers) VALUES (:account, :text, :new, :answers)
    ON CONFLICT (account) DO UPDATE SET text = excluded.text, new = excluded.new, answers = excluded.answers"""
)
_FORGET = Statement("DELETE FROM signature WHERE account = :account")


class Signature(msgspec.Struct, frozen=True):
    """The text that stands below a user's letters, of up to `LONGEST` characters in lines that end in LF.

    ``new`` says whether new letters begin with it, and ``answers`` whether answers and forwarded messages do.
    """

    text: str = ""
    new: bool = True
    answers: bool = True


def find(tx: Transaction, account: int) -> Signature:
    """Returns the signature of a user, an empty one where they have written none."""
    return tx.record(_signature, _FIND, account=account) or Signature()


def save(tx: Transaction, account: int, signature: Signature) -> None:
    """Keeps the signature of a user. NUL is no character of a text for PostgreSQL, and left out."""
    tx.run(
        _SAVE,
        account=account,
        text=signature.text.replace("\x00", ""),
        new=int(signature.new),
        answers=int(signature.answers),
    )


def forget(tx: Transaction, account: int) -> None:
    """Forgets the signature of a user who is removed."""
    tx.run(_FORGET, account=account)


def _signature(text: str, new: int, answers: int) -> Signature:
    return Signature(text, bool(new), bool(answers))
