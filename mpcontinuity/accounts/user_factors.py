"""Rows of the tables ``user_factor`` and ``user_recovery_code``: what users sign in by besides the password.

All functions are work for one transaction. A user who has a factor is asked for it by every page that takes the
password, and mail programs need an app password: by the password alone nobody gets in (accounts/user_login.py). Today
the one kind of factor is the code of an authenticator (accounts/totp.py). A recovery code stands for it, once.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from mpcontinuity.accounts import totp, web_sessions
from mpcontinuity.accounts.second_factor import BEGUN_LASTS, MOST_WRONG, digest_of, plain
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.events import AccountsChanged
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

TOTP: Final = "totp"
# Wrong codes that a good one makes up for: more than anybody types wrong before they are in. Were all forgotten, who
# knows the password could try a hundred between any two logins of its user; so it is ten in the long run.
FORGIVEN: Final = 10

# Of `account`, as it is told of each user: 0 for nobody who has none.
CONFIRMED: Final = "(SELECT COUNT(*) FROM user_factor WHERE user_factor.account = account.id AND since > 0)"

_LOCK = Statement("SELECT id FROM account WHERE id = :account [FOR UPDATE]")
_ADD = Statement(
    "INSERT INTO user_factor (id, account, kind, handle, secret, created) "
    "VALUES (:id, :account, :kind, :handle, :secret, :now)"
)
_FIND = Statement(
    "SELECT id, secret, used, wrong, created, since FROM user_factor WHERE account = :account AND kind = :kind "
    "ORDER BY id"
)
_CONFIRM = Statement("UPDATE user_factor SET since = :now, used = :step, last_used = :now, wrong = 0 WHERE id = :id")
# Two who bring the same code at the same time: the second waits for the first, and then finds it used.
_USE = Statement(
    "UPDATE user_factor SET used = :step, last_used = :now, wrong = CASE WHEN wrong > :forgiven THEN wrong - :forgiven "
    "ELSE 0 END WHERE id = :id AND used < :step"
)
_WRONG = Statement("UPDATE user_factor SET wrong = wrong + 1 WHERE id = :id")
_FORGIVE = Statement("UPDATE user_factor SET wrong = 0 WHERE account = :account")
_REMOVE_OTHERS = Statement("DELETE FROM user_factor WHERE account = :account AND kind = :kind AND id <> :id")
_REMOVE_BEGUN = Statement("DELETE FROM user_factor WHERE account = :account AND since = 0")
_REMOVE = Statement("DELETE FROM user_factor WHERE account = :account")
_CONFIRMED = Statement("SELECT COUNT(*) FROM user_factor WHERE account = :account AND since > 0")
_ADD_CODE = Statement("INSERT INTO user_recovery_code (account, digest) VALUES (:account, :digest)")
_USE_CODE = Statement("DELETE FROM user_recovery_code WHERE account = :account AND digest = :digest")
_REMOVE_CODES = Statement("DELETE FROM user_recovery_code WHERE account = :account")
_CODES = Statement("SELECT COUNT(*) FROM user_recovery_code WHERE account = :account")


class _Row(NamedTuple):
    id: int
    secret: str
    used: int
    wrong: int
    created: int
    since: int


class UserFactor(NamedTuple):
    """What there is to know of a user's second factor, without what it is computed of.

    ``since`` is when it was confirmed, in µs; 0: there is none yet. ``codes`` is how many recovery codes are left.
    ``begun`` is the secret that waits to be confirmed, empty where none does, ``begun_at`` when it was made. ``spent``
    says that so many wrong codes came that none but a recovery code is taken until the password is changed. ``wrong``
    is how many count, of which a good one makes up for `FORGIVEN`.
    """

    since: int
    codes: int
    begun: str
    begun_at: int
    spent: bool
    wrong: int = 0


def find(tx: Transaction, account: int) -> UserFactor:
    """Returns what there is of a user, also where that is nothing."""
    confirmed, begun = _rows(tx, account)
    codes = int(tx.value(_CODES, account=account))
    spent = confirmed is not None and confirmed.wrong >= MOST_WRONG
    secret, made = (begun.secret, begun.created) if begun is not None else ("", 0)
    since, wrong = (confirmed.since, confirmed.wrong) if confirmed is not None else (0, 0)
    return UserFactor(since, codes, secret, made, spent, wrong)


def is_on(tx: Transaction, account: int) -> bool:
    """Says whether the password alone does not let the user in."""
    return bool(tx.value(_CONFIRMED, account=account))


def begin(tx: Transaction, account: int, secret: str) -> None:
    """Keeps a new secret for the authenticator of a user, who is asked for its codes once they have confirmed one.

    What they have until then stays good. The user is there.
    """
    tx.lock(_LOCK, account=account)
    tx.run(_REMOVE_BEGUN, account=account)
    tx.run(_ADD, id=tx.identifier(), account=account, kind=TOTP, handle=b"", secret=secret, now=tx.now)


def confirm(tx: Transaction, account: int, domain: int, code: str, recovery: list[str]) -> None:
    """Turns the second factor on, where ``code`` is of the secret that was begun.

    ``recovery`` are the recovery codes from now on; earlier ones are good no more. Wherever the user is signed in by a
    password, they are no longer. Raises Refused for a wrong code, which nobody counts, since whoever sends it was shown
    the secret; and where no secret waits to be confirmed, or waits no longer.
    """
    tx.lock(_LOCK, account=account)
    _, row = _rows(tx, account)
    if row is None:
        raise Refused("no new secret waits to be confirmed; begin again", "conflict")
    step = totp.step_with(row.secret, plain(code), tx.now)
    if step is None:
        why = "the code is wrong: take the present one of the authenticator, and see that its clock is right"
        raise Refused(why, field="code")
    tx.run(_CONFIRM, id=row.id, step=step, now=tx.now)
    tx.run(_REMOVE_OTHERS, account=account, kind=TOTP, id=row.id)
    give_codes(tx, account, recovery)
    _changed(tx, account, domain)


def use(tx: Transaction, account: int, code: str) -> bool:
    """Uses a code of the authenticator or a recovery code up, and says whether it was good. Wrong ones are counted.

    False as well for a user who has no second factor.
    """
    row, _ = _rows(tx, account)
    if row is None:
        return False
    typed = plain(code)
    if len(typed) != totp.DIGITS:  # nobody guesses 80 bits: these are good though too many wrong ones came
        return tx.run(_USE_CODE, account=account, digest=digest_of(typed)) > 0
    step = totp.step_with(row.secret, typed, tx.now) if row.wrong < MOST_WRONG else None
    if step is not None and tx.run(_USE, id=row.id, step=step, now=tx.now, forgiven=FORGIVEN):
        return True
    tx.run(_WRONG, id=row.id)
    return False


def give_codes(tx: Transaction, account: int, recovery: list[str]) -> None:
    """Gives a user other recovery codes; those before are good no more."""
    tx.run(_REMOVE_CODES, account=account)
    tx.many(_ADD_CODE, [{"account": account, "digest": digest_of(plain(each))} for each in recovery])


def forgive(tx: Transaction, account: int) -> None:
    """Forgets wrong codes, since whoever sent them does not know the password any more."""
    tx.run(_FORGIVE, account=account)


def remove(tx: Transaction, account: int, domain: int) -> bool:
    """Takes a user's second factor away with the recovery codes, and says whether there was one. Wherever they are
    signed in by a browser, they are no longer."""
    was_on = is_on(tx, account)
    tx.run(_REMOVE_CODES, account=account)
    tx.run(_REMOVE, account=account)
    _changed(tx, account, domain)
    return was_on


def _rows(tx: Transaction, account: int) -> tuple[_Row | None, _Row | None]:
    """What is confirmed, and what waits for it."""
    rows = tx.records(_Row, _FIND, account=account, kind=TOTP)
    confirmed = next((row for row in rows if row.since), None)
    begun = next((row for row in rows if not row.since and tx.now < row.created + BEGUN_LASTS), None)
    return confirmed, begun


def _changed(tx: Transaction, account: int, domain: int) -> None:
    web_sessions.end_all(tx, web_sessions.USER, str(account))
    web_sessions.end_all(tx, web_sessions.SETUP, str(account))
    tx.announce(AccountsChanged(domain, account))
