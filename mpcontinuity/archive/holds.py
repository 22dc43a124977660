"""Holds: messages that are kept although their time in the archive has come, because they are evidence.

A hold is of a user or of a query. That of a user keeps all of their mail, also what comes later, by the addresses that
they have and had since it was made. That of a query keeps what it found when it was made. A hold outlives its user and
its domain. What is held is not dropped by retention.py; nothing else is asked for a hold.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from mpcontinuity.accounts import users
from mpcontinuity.model.address import BadAddress, parse
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

STEP = 500  # rows of one transaction
MOST = 1_000  # holds of one store: all of them are read whenever something is dropped
MOST_OF_DOMAIN = 100  # so that the administrators of one domain leave room for the others

_ADD = Statement(
    """INSERT INTO archive_hold (id, domain, query, whose, keys, note, name, created, complete)
    VALUES (:id, :domain, :query, :whose, :keys, :note, :name, :created, :complete)"""
)
_ALL = Statement(
    """SELECT id, domain, query, whose, keys, note, name, created, complete, messages
    FROM archive_hold WHERE id > :after ORDER BY id LIMIT :limit"""
)
_COUNT = Statement("SELECT COUNT(*) FROM archive_hold WHERE :domain = 0 OR domain = :domain")
_OF_USERS = Statement("""SELECT id, whose, keys FROM archive_hold WHERE whose <> '' ORDER BY id""")
_SET_KEYS = Statement("UPDATE archive_hold SET keys = :keys WHERE id = :id")
_HOLD = Statement(
    """INSERT INTO archive_held (message, hold)
    SELECT id, :hold FROM archive WHERE id IN [:messages] ON CONFLICT DO NOTHING"""
)
_COUNTED = Statement("UPDATE archive_hold SET messages = messages + :count WHERE id = :id")
_COMPLETE = Statement("UPDATE archive_hold SET complete = 1 WHERE id = :id")
_HELD = Statement(
    """SELECT DISTINCT message FROM archive_held JOIN archive_hold ON archive_hold.id = archive_held.hold
    WHERE message IN [:messages]"""
)
_LIFT = Statement("DELETE FROM archive_hold WHERE id = :id")
_LOOSE = Statement(
    """DELETE FROM archive_held WHERE message IN (SELECT message FROM archive_held
        WHERE NOT EXISTS (SELECT 1 FROM archive_hold WHERE archive_hold.id = archive_held.hold) LIMIT :step)
    AND NOT EXISTS (SELECT 1 FROM archive_hold WHERE archive_hold.id = archive_held.hold)"""
)

_keys = msgspec.json.Decoder(tuple[str, ...])


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold of a ``user`` or of a ``query``, the other of which is empty.

    ``domain`` is the id of the one whose administrators see it, 0 for those of all domains alone. ``created`` is in µs,
    and ``messages`` is how many a query holds. A hold of a query is not ``complete`` until all that it finds is held.
    """

    id: int
    domain: int
    query: str
    user: str
    keys: tuple[str, ...]
    note: str
    name: str
    created: int
    complete: bool
    messages: int


def add(
    tx: Transaction, *, domain: int, query: str, user: str, keys: Collection[str], note: str, name: str
) -> int | None:
    """Makes a hold and returns its id, or None where there are MOST already, or MOST_OF_DOMAIN of that domain.

    That of a user holds from here on, and that of a query what `keep` is given.
    """
    if tx.value(_COUNT, domain=0) >= MOST or (domain and tx.value(_COUNT, domain=domain) >= MOST_OF_DOMAIN):
        return None
    hold = tx.identifier()
    tx.run(
        _ADD,
        id=hold,
        domain=domain,
        query=query,
        whose=user,
        keys=_encode(keys),
        note=note,
        name=name,
        created=tx.now,
        complete=int(bool(user)),
    )
    return hold


def keep(tx: Transaction, hold: int, messages: Sequence[int]) -> int:
    """Holds those of the messages that the archive still has, and returns how many are new to the hold."""
    count = tx.run(_HOLD, hold=hold, messages=messages)
    tx.run(_COUNTED, id=hold, count=count)
    return count


def complete(tx: Transaction, hold: int) -> None:
    """Notes that all that the query of a hold finds is held."""
    tx.run(_COMPLETE, id=hold)


def listing(tx: Transaction, after: int, limit: int) -> list[Hold]:
    """Returns up to ``limit`` holds with ids above ``after``, the oldest first."""
    return [_hold(*row) for row in tx.all(_ALL, after=after, limit=limit)]


def _hold(*row: Any) -> Hold:
    id_, domain, query, user, keys, note, name, created, complete_, messages = row
    return Hold(id_, domain, query, user, _keys.decode(keys), note, name, created, bool(complete_), messages)


def lift(tx: Transaction, hold: int) -> bool:
    """Ends a hold, and returns whether there was one. What it held is dropped when its time has come."""
    return tx.run(_LIFT, id=hold) == 1


def forget(tx: Transaction) -> int:
    """Forgets up to STEP messages of holds that were lifted. Returns how many: call it again until there is none."""
    return tx.run(_LOOSE, step=STEP)


def refresh(tx: Transaction) -> None:
    """Adds the addresses that the users of holds have by now to those that are known of them."""
    for hold, user, known in tx.all(_OF_USERS):
        account = users.find_exactly(tx, parse(user))
        if account is None:
            continue
        before = set(_keys.decode(known))
        now = before | set(users.keys(tx, account.id))
        if now != before:
            tx.run(_SET_KEYS, id=hold, keys=_encode(now))


def held(tx: Transaction, messages: Sequence[tuple[int, Iterable[str]]]) -> set[int]:
    """Returns which of the messages are held; they are given by id and the addresses of those whose mail it is."""
    found = {row[0] for row in tx.all(_HELD, messages=[id_ for id_, _ in messages])}
    keys = {key for _, _, text in tx.all(_OF_USERS) for key in _keys.decode(text)}
    if keys:
        found |= {id_ for id_, owners in messages if not keys.isdisjoint(_compared(owners))}
    return found


def _compared(owners: Iterable[str]) -> set[str]:
    found = set()
    for owner in owners:
        try:
            address = parse(owner)
        except BadAddress:
            found.add(owner.lower())
        else:
            found |= {address.key, address.untagged_key}
    return found


def _encode(keys: Collection[str]) -> str:
    return msgspec.json.encode(sorted(keys)).decode()
