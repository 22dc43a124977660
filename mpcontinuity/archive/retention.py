"""Drops rows of `archive` when their time has come; bodies follow with their packs (store/upkeep/retention.py).

What is held (holds.py) is put off for a day, again and again. Where a domain keeps its mail longer by now than it did
when a message came, the message is kept as long; where it keeps it shorter, only `purge` goes by that, so that a
mistake in a setting loses nothing by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from mpcontinuity.accounts import domains
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.archive import holds
from mpcontinuity.archive.record import OUTBOUND, expiry
from mpcontinuity.mailbox import archived as folder
from mpcontinuity.model.address import ROLES
from mpcontinuity.model.clock import DAY
from mpcontinuity.store.bodies import references
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.store.upkeep import retention

STEP = 500  # rows of one transaction
PUT_OFF = DAY  # µs, until what is held is looked at again

_COLUMNS = "id, body, domain, time, direction, sender, recipients, expires"
_DUE = Statement(f"SELECT {_COLUMNS} FROM archive WHERE expires <= :now ORDER BY expires, id LIMIT :step")
_OLD = Statement(
    f"""SELECT {_COLUMNS} FROM archive
    WHERE domain = :domain AND time < :before AND (time > :time OR (time = :time AND id > :id))
    ORDER BY time, id LIMIT :step"""
)
_DROP = Statement("DELETE FROM archive WHERE id IN [:ids]")
_SET_EXPIRES = Statement("UPDATE archive SET expires = :expires WHERE id = :id")
_COUNT = Statement("SELECT COUNT(*) FROM archive WHERE (:domain = 0 OR domain = :domain) AND time < :before")

_recipients = msgspec.json.Decoder(tuple[str, ...])


@dataclass(frozen=True, slots=True)
class _Row:
    id: int
    body: int
    domain: int
    time: int
    direction: str
    sender: str
    recipients: str
    expires: int

    @property
    def owners(self) -> tuple[str, ...]:
        return (self.sender,) if self.direction == OUTBOUND else _recipients.decode(self.recipients)

    @property
    def is_of_role(self) -> bool:
        """Whether it may be mail to a role that home refused: the archive has the only copy, whatever is set."""
        return all(owner.rpartition("@")[0].lower() in ROLES for owner in self.owners)


@dataclass(frozen=True, slots=True)
class Purged:
    """What a purge did: how many messages it dropped, how many it found that are held, and from which packs."""

    dropped: int = 0
    held: int = 0
    packs: frozenset[int] = frozenset()

    def __add__(self, other: Purged) -> Purged:
        return Purged(self.dropped + other.dropped, self.held + other.held, self.packs | other.packs)


async def sweep(store: Store) -> None:
    """Drops all rows whose time has come, in steps of the bulk lane: a chore of every hour. Raises Temporary."""
    await store.run(holds.refresh)
    await _expire(store, await store.read(domains.listing))
    while await store.run(holds.forget, bulk=True):
        pass


async def _expire(store: Store, known: Sequence[Domain]) -> None:
    step = partial(expire, days={domain.id: domain.settings.retention_days for domain in known})
    while await store.run(step, bulk=True) == STEP:
        pass


def expire(tx: Transaction, days: Mapping[int, int]) -> int:
    """Drops up to STEP rows whose time has come, or puts them off. Returns how many: call it again while that is STEP.

    ``days`` says how long domains keep their mail by now, by their ids.
    """
    due = tx.records(_Row, _DUE, now=tx.now, step=STEP)
    later = {row.id: expiry(row.time, days.get(row.domain, 0)) for row in due}
    held = _held(tx, due)
    kept = {row.id: max(later[row.id], tx.now + PUT_OFF if row.id in held else 0) for row in due}
    _put_off(tx, {id_: until for id_, until in kept.items() if until > tx.now})
    _drop(tx, [row for row in due if kept[row.id] <= tx.now])
    return len(due)


async def purge(store: Store, before: int, domain: int = 0) -> Purged:
    """Drops what is older than its domain keeps by now, of what came before that time (µs), and its packs.

    It is about one domain, or all for 0. What is held or owed is kept, and so is what a mailbox lists. Raises
    Temporary.
    """
    await store.run(holds.refresh)
    done = Purged()
    known = await store.read(domains.listing)
    for one in known:
        if domain in (0, one.id):
            until = min(before, store.clock.now() - one.settings.retention_days * DAY)
            done += await _purge(store, one.id, until)
    await _expire(store, known)
    packs = sorted(done.packs)
    for start in range(0, len(packs), STEP):
        await store.run(partial(retention.due_now, packs=packs[start : start + STEP]), bulk=True)
    await retention.sweep(store)
    return done


def count(tx: Transaction, before: int, domain: int = 0) -> int:
    """Returns how many messages of a domain, or of all for 0, the archive has from before that time (µs)."""
    return int(tx.value(_COUNT, domain=domain, before=before))


async def _purge(store: Store, domain: int, before: int) -> Purged:
    done, time, id_ = Purged(), 0, 0
    while True:
        step = partial(_purge_some, domain=domain, before=before, time=time, id_=id_)
        purged, last = await store.run(step, bulk=True)
        done += purged
        if last is None:
            return done
        time, id_ = last


def _purge_some(
    tx: Transaction, domain: int, before: int, time: int, id_: int
) -> tuple[Purged, tuple[int, int] | None]:
    """The next rows behind a place, and the place of the last of them; None where there are no more."""
    rows = tx.records(_Row, _OLD, domain=domain, before=before, time=time, id=id_, step=STEP)
    old = [row for row in rows if row.expires <= tx.now or not row.is_of_role]
    held = _held(tx, old)
    dropped = [row for row in old if row.id not in held]
    packs = retention.packs_of(tx, [row.body for row in dropped])
    _drop(tx, dropped)
    last = (rows[-1].time, rows[-1].id) if len(rows) == STEP else None
    return Purged(len(dropped), len(held), frozenset(packs)), last


def _held(tx: Transaction, rows: Sequence[_Row]) -> set[int]:
    return holds.held(tx, [(row.id, row.owners) for row in rows]) if rows else set()


def _put_off(tx: Transaction, until: Mapping[int, int]) -> None:
    if until:
        tx.many(_SET_EXPIRES, [{"id": id_, "expires": expires} for id_, expires in until.items()])


def _drop(tx: Transaction, rows: Collection[_Row]) -> None:
    if rows:
        bodies: list[Any] = [row.body for row in rows]
        tx.run(_DROP, ids=[row.id for row in rows])
        folder.let_go(tx, bodies)  # after the rows: whoever lists one now holds its row (archive/folder.py)
        references.release(tx, bodies)
