"""Rows of the tables ``administrator`` and ``token``: who may administer by portal and API."""

from __future__ import annotations

import hashlib

from mpcontinuity.model.errors import Refused
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

_ADD = Statement(
    "INSERT INTO administrator (name, password, domain, created) VALUES (:name, :password, :domain, :now) "
    "ON CONFLICT (name) DO NOTHING"
)
_LIST = Statement("SELECT name, domain, created FROM administrator ORDER BY name")
_COUNT = Statement("SELECT COUNT(*) FROM administrator")
_FIND = Statement("SELECT 1 FROM administrator WHERE name = :name")
_REMOVE = Statement("DELETE FROM administrator WHERE name = :name")
_SET_PASSWORD = Statement("UPDATE administrator SET password = :password WHERE name = :name")
_ADD_TOKEN = Statement(
    "INSERT INTO token (digest, administrator, expires, created) VALUES (:digest, :name, :expires, :now)"
)
_REMOVE_TOKENS = Statement("DELETE FROM token WHERE administrator = :name")


def add(tx: Transaction, name: str, password_hash: str, domain: str = "") -> None:
    """``domain`` empty: of all. Raises Refused when the name is taken."""
    if not tx.run(_ADD, name=name, password=password_hash, domain=domain, now=tx.now):
        raise Refused(f"{name}: is an administrator already; set a password with `mpcontinuity admin password {name}`")


def listing(tx: Transaction) -> list[tuple[str, str, int]]:
    """Name, domain (empty: all), when added (µs)."""
    return [(row[0], row[1], row[2]) for row in tx.all(_LIST)]


def remove(tx: Transaction, name: str) -> None:
    """With their tokens. Raises Refused for the last one of all domains, and for an unknown name."""
    refuse_unknown(tx, name)
    others = [other for other, domain, _ in listing(tx) if other != name and not domain]
    if not others:
        raise Refused(f"{name}: is the only administrator of all domains; add another one first")
    tx.run(_REMOVE_TOKENS, name=name)
    tx.run(_REMOVE, name=name)


def set_password(tx: Transaction, name: str, password_hash: str) -> None:
    refuse_unknown(tx, name)
    tx.run(_SET_PASSWORD, name=name, password=password_hash)


def add_token(tx: Transaction, name: str, token: str, expires: int) -> None:
    """Only its digest is kept. ``expires`` in µs; 0: never."""
    refuse_unknown(tx, name)
    tx.run(_ADD_TOKEN, digest=hashlib.sha256(token.encode()).digest(), name=name, expires=expires, now=tx.now)


def refuse_unknown(tx: Transaction, name: str) -> None:
    if tx.one(_FIND, name=name) is None:
        raise Refused(f"{name}: no such administrator; `mpcontinuity admin list` shows them")


def none_yet(tx: Transaction) -> bool:
    return not tx.value(_COUNT)
