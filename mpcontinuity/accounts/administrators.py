"""Rows of the table ``administrator``: who may administer by portal and API. Their tokens are in accounts/tokens.py.

All functions are work for one transaction.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from mpcontinuity.accounts import second_factor, web_sessions
from mpcontinuity.accounts.web_sessions import ADMINISTRATOR
from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")  # matched in full

_ADD = Statement(
    "INSERT INTO administrator (name, password, password_id, domain, created) "
    "VALUES (:name, :password, :password_id, :domain, :now) ON CONFLICT (name) DO NOTHING"
)
_LIST = Statement("SELECT name, domain, created FROM administrator WHERE name > :after ORDER BY name LIMIT :limit")
_OTHERS = Statement("SELECT COUNT(*) FROM administrator WHERE name <> :name AND domain = ''")
_COUNT = Statement("SELECT COUNT(*) FROM administrator")
_CREDENTIALS = Statement("SELECT password, password_id, domain FROM administrator WHERE name = :name")
_REMOVE = Statement("DELETE FROM administrator WHERE name = :name")
_SET_PASSWORD = Statement(
    "UPDATE administrator SET password = :password, password_id = :password_id WHERE name = :name"
)
_REPLACE_HASH = Statement("UPDATE administrator SET password = :new WHERE name = :name AND password = :old")
_REMOVE_OF_DOMAIN = Statement("DELETE FROM administrator WHERE domain = :domain")
_REMOVE_TOKENS_OF_DOMAIN = Statement(
    "DELETE FROM token WHERE domain = :domain "
    "OR administrator IN (SELECT name FROM administrator WHERE domain = :domain)"
)
_REMOVE_TOKENS = Statement("DELETE FROM token WHERE administrator = :name")


class Credentials(NamedTuple):
    """What an administrator logs in by. ``hash`` is one of passlib's; ``password_id`` tells this password from all that
    they had before, also where a removed administrator's name was given again. ``domain`` is empty for all domains.
    """

    hash: str
    password_id: int
    domain: str


def add(tx: Transaction, name: str, password_hash: str, domain: str = "") -> None:
    """Adds an administrator; an empty ``domain`` is all domains. Raises Refused when the name is taken."""
    if not tx.run(_ADD, name=name, password=password_hash, password_id=tx.identifier(), domain=domain, now=tx.now):
        raise Refused(
            f"{name}: is an administrator already", "taken", Hint("admin password", "sets a password", {"name": name})
        )


def listing(tx: Transaction, after: str, limit: int) -> list[tuple[str, str, int]]:
    """Returns name, domain (empty: all) and time of addition (µs) of administrators, by name.

    There are up to ``limit`` of them, with a name above ``after``.
    """
    return [(name, domain, created) for name, domain, created in tx.all(_LIST, after=after, limit=limit)]


def credentials(tx: Transaction, name: str) -> Credentials | None:
    """Returns what the administrator logs in by; None where nobody has that name."""
    return tx.record(Credentials, _CREDENTIALS, name=name)


def remove(tx: Transaction, name: str) -> None:
    """Removes an administrator, their tokens, sessions and second factor. Raises Refused for the last one of all
    domains, and if unknown."""
    refuse_unknown(tx, name)
    if not tx.value(_OTHERS, name=name):
        raise Refused(f"{name}: is the only administrator of all domains; add another one first", "conflict")
    tx.run(_REMOVE_TOKENS, name=name)
    web_sessions.end_all(tx, ADMINISTRATOR, name)
    tx.run(_REMOVE, name=name)


def remove_of_domain(tx: Transaction, domain: str) -> None:
    """Removes all who administer that domain alone, by its name, and the tokens that are for it, whosever they are."""
    tx.run(_REMOVE_TOKENS_OF_DOMAIN, domain=domain)
    tx.run(_REMOVE_OF_DOMAIN, domain=domain)


def set_password(tx: Transaction, name: str, password_hash: str) -> None:
    """Gives an administrator another password; what was begun by the one before ends. Raises Refused if unknown."""
    refuse_unknown(tx, name)
    tx.run(_SET_PASSWORD, name=name, password=password_hash, password_id=tx.identifier())
    web_sessions.end_all(tx, ADMINISTRATOR, name)
    second_factor.forgive(tx, name)


def replace_hash(tx: Transaction, name: str, old: str, new: str) -> None:
    """Keeps the same password under another hash, unless it was changed meanwhile. Nothing ends by it."""
    tx.run(_REPLACE_HASH, name=name, old=old, new=new)


def refuse_unknown(tx: Transaction, name: str) -> None:
    """Raises Refused where nobody has that name."""
    if credentials(tx, name) is None:
        raise Refused(f"{name}: no such administrator", "unknown", Hint("admin list", "shows them"))


def none_yet(tx: Transaction) -> bool:
    """Says whether there is no administrator at all."""
    return not tx.value(_COUNT)
