"""Rows of the tables ``totp`` and ``recovery_code``: what an administrator logs in by besides the password.

All functions are work for one transaction. An administrator who has a second factor is asked for the code of an
authenticator (accounts/totp.py), or for one of the recovery codes that they were shown once, each of which is good for
one use. A code that was used is not taken again, at whatever process it comes.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final, NamedTuple

from mpcontinuity.accounts import totp, web_sessions
from mpcontinuity.model.clock import HOUR
from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.model.randomness import Randomness
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

RECOVERY_CODES: Final = 10
_CODE_OCTETS: Final = 10  # of a recovery code: 16 letters and digits, in fours
BEGUN_LASTS: Final = HOUR  # for a new secret to be confirmed
# Codes in a row. Whoever guesses them knows the password, so nothing is taken until that is another one: three of a
# million codes are right at a time, so that a guesser has 3 chances in 10,000 (NIST SP 800-63B §3.2.2 has the number).
MOST_WRONG: Final = 100
_LONGEST: Final = 100  # characters of what is looked at

_BEGIN = Statement(
    "INSERT INTO totp (administrator, next_secret, begun) VALUES (:name, :secret, :now) "
    "ON CONFLICT (administrator) DO UPDATE SET next_secret = excluded.next_secret, begun = excluded.begun"
)
_FIND = Statement("SELECT secret, since, step, wrong, next_secret, begun FROM totp WHERE administrator = :name")
_CONFIRM = Statement(
    "UPDATE totp SET secret = next_secret, since = :now, step = :step, wrong = 0, next_secret = '', begun = 0 "
    "WHERE administrator = :name AND next_secret = :secret"
)
# Two who bring the same code at the same time: the second waits for the first, and then finds it used.
_USE = Statement("UPDATE totp SET step = :step, wrong = 0 WHERE administrator = :name AND step < :step")
_WRONG = Statement("UPDATE totp SET wrong = wrong + 1 WHERE administrator = :name")
_FORGIVE = Statement("UPDATE totp SET wrong = 0 WHERE administrator = :name")
_REMOVE = Statement("DELETE FROM totp WHERE administrator = :name")
_ADD_CODE = Statement("INSERT INTO recovery_code (administrator, digest) VALUES (:name, :digest)")
_USE_CODE = Statement("DELETE FROM recovery_code WHERE administrator = :name AND digest = :digest")
_REMOVE_CODES = Statement("DELETE FROM recovery_code WHERE administrator = :name")
_CODES = Statement("SELECT COUNT(*) FROM recovery_code WHERE administrator = :name")
_HAVE_ONE = Statement("SELECT administrator FROM totp WHERE secret <> ''")


class _Row(NamedTuple):
    secret: str
    since: int
    step: int
    wrong: int
    next_secret: str
    begun: int


class SecondFactor(NamedTuple):
    """What there is to know of an administrator's second factor, without what it is computed of.

    ``since`` is when it was confirmed, in µs; 0: there is none yet. ``codes`` is how many recovery codes are left.
    ``begun`` is the secret that waits to be confirmed, empty where none does. ``spent`` says that so many wrong codes
    came that none is taken until the password is changed.
    """

    since: int
    codes: int
    begun: str
    spent: bool


def recovery_codes(randomness: Randomness) -> list[str]:
    """Returns new recovery codes, as people read and type them: four groups of four letters and digits."""
    return ["-".join(_groups(randomness.bytes(_CODE_OCTETS))) for _ in range(RECOVERY_CODES)]


def _groups(octets: bytes) -> list[str]:
    text = base64.b32encode(octets).decode().lower()
    return [text[start : start + 4] for start in range(0, len(text), 4)]


def find(tx: Transaction, name: str) -> SecondFactor:
    """Returns what there is of the administrator ``name``, also where that is nothing."""
    row = tx.record(_Row, _FIND, name=name)
    if row is None:
        return SecondFactor(0, 0, "", False)
    begun = row.next_secret if _is_open(tx, row) else ""
    codes = int(tx.value(_CODES, name=name))
    return SecondFactor(row.since if row.secret else 0, codes, begun, row.wrong >= MOST_WRONG)


def is_on(tx: Transaction, name: str) -> bool:
    """Says whether the administrator is asked for a code."""
    row = tx.record(_Row, _FIND, name=name)
    return row is not None and row.secret != ""


def holders(tx: Transaction) -> frozenset[str]:
    """Returns the names of all administrators who are asked for a code."""
    return frozenset(row[0] for row in tx.all(_HAVE_ONE))


def begin(tx: Transaction, name: str, secret: str) -> None:
    """Keeps a new secret for an administrator, who is asked for its codes once they have confirmed one.

    What they have until then stays good. The administrator is there.
    """
    tx.run(_BEGIN, name=name, secret=secret, now=tx.now)


def confirm(tx: Transaction, name: str, code: str, recovery: list[str]) -> bool:
    """Turns the second factor on, if ``code`` is of the secret that was begun; else False, and the guess is counted.

    ``recovery`` are the recovery codes from now on; earlier ones are good no more, and all sessions of the
    administrator end. Raises Refused where no secret waits to be confirmed, or waits no longer.
    """
    row = tx.record(_Row, _FIND, name=name)
    if row is None or not _is_open(tx, row):
        raise Refused(
            f"{name}: no new secret waits to be confirmed; begin again",
            "conflict",
            Hint("admin totp begin", "makes one", {"name": name}),
        )
    step = totp.step_with(row.next_secret, plain(code), tx.now) if row.wrong < MOST_WRONG else None
    if step is None:
        tx.run(_WRONG, name=name)
        return False
    tx.run(_CONFIRM, name=name, secret=row.next_secret, step=step, now=tx.now)
    tx.run(_REMOVE_CODES, name=name)
    tx.many(_ADD_CODE, [{"name": name, "digest": digest_of(plain(each))} for each in recovery])
    web_sessions.end_all(tx, web_sessions.ADMINISTRATOR, name)
    return True


def use(tx: Transaction, name: str, code: str) -> bool:
    """Uses a code of the authenticator or a recovery code up, and says whether it was good. Wrong ones are counted.

    False as well for somebody who has no second factor.
    """
    row = tx.record(_Row, _FIND, name=name)
    if row is None or not row.secret or row.wrong >= MOST_WRONG:
        return False
    typed = plain(code)
    if len(typed) == totp.DIGITS:
        step = totp.step_with(row.secret, typed, tx.now)
        good = step is not None and tx.run(_USE, name=name, step=step) > 0
    else:
        good = tx.run(_USE_CODE, name=name, digest=digest_of(typed)) > 0
        if good:
            tx.run(_FORGIVE, name=name)
    if not good:
        tx.run(_WRONG, name=name)
    return good


def forgive(tx: Transaction, name: str) -> None:
    """Forgets wrong codes, since whoever sent them does not know the password any more."""
    tx.run(_FORGIVE, name=name)


def remove(tx: Transaction, name: str) -> bool:
    """Takes an administrator's second factor away with its recovery codes, and says whether there was one.

    All their sessions end.
    """
    tx.run(_REMOVE_CODES, name=name)
    web_sessions.end_all(tx, web_sessions.ADMINISTRATOR, name)
    return bool(tx.run(_REMOVE, name=name))


def _is_open(tx: Transaction, row: _Row) -> bool:
    return row.next_secret != "" and tx.now < row.begun + BEGUN_LASTS


def plain(code: str) -> str:
    """Returns a code without what people put between its groups; what is no ASCII is none."""
    typed = "".join(code[:_LONGEST].lower().replace("-", " ").split())
    return typed if typed.isascii() else ""


def digest_of(code: str) -> bytes:
    """Returns what is kept of a recovery code: SHA-256; it has 80 random bits, so that no salt is needed."""
    return hashlib.sha256(code.encode()).digest()
