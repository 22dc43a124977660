"""Rows of the table ``app_password``: passwords that one device of a user logs in by, beside the user's own.

All functions are work for one transaction. An app password opens IMAP, POP3 and SMTP, and no page. It is random, so one
digest of it is enough where the user's own password needs a slow hash; and it is nowhere else than on its device.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final, NamedTuple

from mpcontinuity.model.clock import MINUTE
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.events import AccountsChanged
from mpcontinuity.model.randomness import Randomness
from mpcontinuity.model.texts import said
from mpcontinuity.protocols.sasl.scram import read_keys
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

MOST: Final = 30  # of a user: more than the devices of one person, and few enough for SCRAM to try each
LONGEST_NAME: Final = 100  # characters
USE_NOTED_EVERY: Final = MINUTE  # mail programs log in every few minutes, on several connections each

_OCTETS: Final = 10  # 80 bits: nobody finds one by trying, though they had the digest (NIST SP 800-63B §5.1.2)
_CHARACTERS: Final = 16  # in groups of four, with a hyphen between
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no letter looks like a digit
_MISREAD: Final = str.maketrans("oil", "011", " -\t")
_ONE: Final = re.compile(f"[{_ALPHABET}]{{{_CHARACTERS}}}")
_LONGEST_TYPED: Final = 64  # characters, with blanks: anything longer is another password

_COUNT = Statement("SELECT COUNT(*) FROM app_password WHERE account = :account")
_LOCK = Statement("SELECT id FROM account WHERE id = :account [FOR UPDATE]")
_ADD = Statement(
    "INSERT INTO app_password (id, account, digest, scram, name, created) "
    "VALUES (:id, :account, :digest, :scram, :name, :now)"
)
_LISTING = Statement(
    "SELECT id, name, created, last_used, last_used_by, last_used_from FROM app_password WHERE account = :account "
    "ORDER BY id"
)
_FIND = Statement("SELECT id FROM app_password WHERE account = :account AND digest = :digest")
_STANDS = Statement("SELECT COUNT(*) FROM app_password WHERE account = :account AND id = :id")
_SCRAM = Statement("SELECT id, scram FROM app_password WHERE account = :account AND scram <> '' ORDER BY id")
_NOTE_USE = Statement(
    "UPDATE app_password SET last_used = :time, last_used_by = :door, last_used_from = :peer "
    "WHERE account = :account AND id = :id AND (last_used < :before OR last_used > :time)"
)
_REMOVE = Statement("DELETE FROM app_password WHERE account = :account AND id = :id")
_REMOVE_ALL = Statement("DELETE FROM app_password WHERE account = :account")


class AppPassword(NamedTuple):
    """An app password as its user sees it. ``name`` says for which device it was made. Times are in µs.

    ``last_used`` is exact to `USE_NOTED_EVERY`, 0 for one that was never used; it was used by the protocol
    ``last_used_by`` ("IMAP", "POP3" or "SMTP"), from the IP address ``last_used_from``.
    """

    id: int
    name: str
    created: int
    last_used: int
    last_used_by: str
    last_used_from: str


def make(randomness: Randomness) -> str:
    """Returns a new app password, as it is shown: four groups of four letters and digits, 80 bits."""
    number = int.from_bytes(randomness.bytes(_OCTETS))
    text = "".join(_ALPHABET[number >> shift & 31] for shift in range(75, -1, -5))
    return "-".join(text[place : place + 4] for place in range(0, _CHARACTERS, 4))


def digest_of(account: int, typed: str) -> bytes:
    """Returns what is kept of an app password, SHA-256 with the account's id; empty for text that cannot be one.

    Blanks, hyphens, capitals and letters that look like a digit do not count. The id keeps whoever has the table from
    trying all users' at once.
    """
    text = typed.lower().translate(_MISREAD) if len(typed) <= _LONGEST_TYPED else ""
    if not _ONE.fullmatch(text):
        return b""
    return hashlib.sha256(b"%d %s" % (account, text.encode())).digest()


def add(tx: Transaction, account: int, domain: int, text: str, name: str, scram: str) -> AppPassword:
    """Keeps a new app password ``text`` of a user. ``scram`` has its keys (protocols/sasl/scram.py).

    Raises Refused for a name that is empty, too long or no line, and for more than `MOST`.
    """
    shown = name.strip()
    if not shown or len(shown) > LONGEST_NAME or not shown.isprintable():
        raise Refused(
            said("name: must say for which device it is, in one line of at most %(most)d characters", most=LONGEST_NAME)
        )
    tx.lock(_LOCK, account=account)
    if int(tx.value(_COUNT, account=account)) >= MOST:
        raise Refused(
            said("there are %(most)d app passwords already; remove one that no device uses", most=MOST), "conflict"
        )
    fresh = tx.identifier()
    digest = digest_of(account, text)
    tx.run(_ADD, id=fresh, account=account, digest=digest, scram=scram, name=shown, now=tx.now)
    tx.announce(AccountsChanged(domain, account))
    return AppPassword(fresh, shown, tx.now, 0, "", "")


def listing(tx: Transaction, account: int) -> list[AppPassword]:
    """Returns the app passwords of a user, oldest first."""
    return tx.records(AppPassword, _LISTING, account=account)


def find(tx: Transaction, account: int, digest: bytes) -> int:
    """Returns the id of the app password of a user with that digest; 0 where there is none."""
    return int(tx.value(_FIND, account=account, digest=digest) or 0) if digest else 0


def stands(tx: Transaction, account: int, app_password: int) -> bool:
    """Says whether a user still has the app password with that id."""
    return bool(tx.value(_STANDS, account=account, id=app_password))


def scram(tx: Transaction, account: int) -> dict[int, str]:
    """Returns the SCRAM keys of a user's app passwords, by their ids."""
    return dict(tx.all(_SCRAM, account=account))


def salt(tx: Transaction, account: int) -> bytes:
    """Returns the salt of those keys; empty where there are none. It has to be that of the user's own password, too:
    SCRAM says the salt before it hears which of the passwords is proved (RFC 5802 §3)."""
    keys = (read_keys(text) for text in scram(tx, account).values())
    return next((each.salt for each in keys if each is not None), b"")


def note_use(tx: Transaction, account: int, app_password: int, time: int, door: str, peer: str) -> None:
    """Notes that an app password was used at ``time`` (µs), unless that is noted within a minute."""
    before = time - USE_NOTED_EVERY
    tx.run(_NOTE_USE, account=account, id=app_password, time=time, door=door, peer=peer, before=before)


def remove(tx: Transaction, account: int, domain: int, app_password: int) -> bool:
    """Ends an app password by its id, and the connections that came by it. Returns False where there is none."""
    found = tx.run(_REMOVE, account=account, id=app_password) > 0
    if found:
        tx.announce(AccountsChanged(domain, account))
    return found


def remove_all(tx: Transaction, account: int, domain: int) -> int:
    """Ends all app passwords of a user, as `remove` does, and returns how many there were."""
    count = tx.run(_REMOVE_ALL, account=account)
    if count:
        tx.announce(AccountsChanged(domain, account))
    return count
