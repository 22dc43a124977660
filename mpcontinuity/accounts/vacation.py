"""The table ``vacation``: what is said in a user's name to who writes to them while they are away. All functions are
work for one transaction."""

from __future__ import annotations

from typing import Final

import msgspec

from mpcontinuity.accounts.users import User
from mpcontinuity.model.events import AccountsChanged
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

# When it is sent (`User.vacation`).
OFF: Final = 0
IN_CONTINUITY: Final = 1  # for what comes into a mailbox here because the home server does not take it
ALWAYS: Final = 2

LONGEST_SUBJECT: Final = 200  # characters: what a list of messages shows, and more
LONGEST: Final = 4_000  # characters: two pages, with who stands in and how to reach them, in two languages

_FIND = Statement(
    """SELECT account.vacation, subject, text, begins, ends FROM vacation
    JOIN account ON account.id = vacation.account WHERE vacation.account = :account"""
)
_SAVE = Statement(
    """INSERT INTO vacation (account, subject, text, begins, ends) VALUES (:account, :subject, :text, :begins, :ends)
    ON CONFLICT (account) DO UPDATE SET subject = excluded.subject, text = excluded.text, begins = excluded.begins,
        ends = excluded.ends"""
)
_SET = Statement("UPDATE account SET vacation = :vacation WHERE id = :account")
_FORGET = Statement("DELETE FROM vacation WHERE account = :account")


class Vacation(msgspec.Struct, frozen=True):
    """The vacation text of a user.

    ``when`` is OFF, IN_CONTINUITY or ALWAYS. An empty ``subject`` stands for that of each message that is answered.
    ``begins`` and ``ends`` are in µs: it is for mail that comes from the one on and before the other; 0: no bound.
    """

    when: int = OFF
    subject: str = ""
    text: str = ""
    begins: int = 0
    ends: int = 0

    def over(self, now: int) -> bool:
        """Says whether its time has passed."""
        return 0 < self.ends <= now


def find(tx: Transaction, account: int) -> Vacation:
    """Returns the vacation text of a user, one that is off where they have written none."""
    return tx.record(Vacation, _FIND, account=account) or Vacation()


def save(tx: Transaction, user: User, vacation: Vacation) -> None:
    """Keeps the vacation text of a user. NUL is no character of a text for PostgreSQL, and left out."""
    tx.run(
        _SAVE,
        account=user.id,
        subject=vacation.subject.replace("\x00", ""),
        text=vacation.text.replace("\x00", ""),
        begins=vacation.begins,
        ends=vacation.ends,
    )
    tx.run(_SET, account=user.id, vacation=vacation.when)
    tx.announce(AccountsChanged(user.domain, user.id))


def forget(tx: Transaction, account: int) -> None:
    """Forgets the vacation text of a user who is removed: without it nothing is answered."""
    tx.run(_FORGET, account=account)
