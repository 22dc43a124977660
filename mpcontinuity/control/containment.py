"""Operations on home servers that are cut off: nothing goes there, and what was kept is released afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import msgspec

from mpcontinuity.accounts import containment, domains
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.archive import archived
from mpcontinuity.archive.matching import Whose
from mpcontinuity.archive.query import Query
from mpcontinuity.archive.query import parse as parse_query
from mpcontinuity.control.arguments import PAGE, row_id, rows_of_page
from mpcontinuity.control.finding import found
from mpcontinuity.control.operation import Control
from mpcontinuity.model import identifier
from mpcontinuity.model.clock import SECOND, iso
from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.queue import contained, listing
from mpcontinuity.queue.listing import QueueRow
from mpcontinuity.store.transaction import Transaction

MOST_IDS = 10_000  # of one call, as many as a line of the control socket carries


class ContainRow(msgspec.Struct, frozen=True):
    """How the home server of a domain is cut off. ``since`` is in ISO 8601 and None where it is not; ``by`` is the
    administrator who did it. ``kept`` is how many messages wait for their release, or will when it is lifted."""

    domain: str
    contained: bool
    since: str | None
    by: str
    note: str
    kept: int


class Released(msgspec.Struct, frozen=True):
    """How many messages may go home now, and how many are still kept."""

    domain: str
    released: int
    kept: int


async def on(control: Control, name: str, note: str = "") -> ContainRow:
    """Cuts the home server of the domain off: nothing goes there, and mail is kept here as in an outage.

    Where it is cut off already, nothing changes. Raises Refused for a domain that is not here, and for a note that is
    no short line.
    """
    return await control.store.run(partial(_on, name=name, by=control.caller.name, note=note))


def _on(tx: Transaction, name: str, by: str, note: str) -> ContainRow:
    domain = domains.known(tx, name)
    containment.begin(tx, domain.id, by, note)
    return _row(tx, domain)


async def off(control: Control, name: str) -> ContainRow:
    """Lets new mail go to the home server again. What was kept until now waits for its release.

    Where it is not cut off, nothing changes. Raises Refused for a domain that is not here.
    """
    domain = await control.store.read(partial(domains.known, name=name))
    while not await control.store.run(partial(contained.lift, domain=domain.id), bulk=True):
        pass
    return await control.store.read(partial(_row, domain=domain))


def _row(tx: Transaction, domain: Domain) -> ContainRow:
    known = containment.find(tx, domain.id)
    return ContainRow(
        domain=domain.name,
        contained=known.since > 0,
        since=iso(known.since) if known.since else None,
        by=known.by,
        note=known.note,
        kept=contained.count(tx, domain.id),
    )


async def list_(
    control: Control, domain: str | None = None, after: str = "", limit: int = PAGE, query: str | None = None
) -> list[QueueRow]:
    """Lists up to ``limit`` messages that are kept since home servers were cut off, of one domain or of all, oldest
    first, those after the id ``after``.

    With a ``query`` they are those that it finds in the archive of the domain, which has to be given then: what
    `contain release` takes with the same. Raises Refused for a domain that is not here, for a limit out of bounds, for
    an ``after`` that is no id, and as `contain release` does for a query.
    """
    give_up = round(control.settings.retry.give_up * SECOND)
    start, most = row_id(after), rows_of_page(limit)
    if query is None:
        return await control.store.read(partial(_list, name=domain, after=start, limit=most, give_up=give_up))
    if domain is None:
        raise Refused("query: needs a domain in whose archive it looks")
    known = await control.store.read(partial(domains.known, name=domain))
    ids: list[int] = []
    async for some in _of_query(control, known, parse_query(query, control.store.clock.now())):
        ids += some
    page = sorted(row for row in ids if row > start)[:most]
    return await control.store.read(partial(listing.of_ids, ids=page, give_up=give_up))


def _list(tx: Transaction, name: str | None, after: int, limit: int, give_up: int) -> list[QueueRow]:
    wanted = domains.known(tx, name).id if name is not None else 0
    found = listing.listing(tx, domain=wanted, after=after, limit=limit, give_up=give_up, kept=True)
    return [row for _, row in found]


async def release(control: Control, name: str, ids: list[str] | None = None, query: str | None = None) -> Released:
    """Lets messages go home that were kept: those with these ids, those that a ``query`` finds in the archive of the
    domain (archive/query.py), or all. It says how many as it goes on.

    Raises Refused for a domain that is not here, while its home server is cut off, for a query that cannot be read
    or that the index is not ready for, and, changing nothing, for an id that is none of a kept message of the domain.
    """
    domain = await control.store.read(partial(_lifted, name=name))
    if ids is not None and query is not None:
        raise Refused("give ids or a query, not both", field="query")
    if ids is not None:
        portions = _of_ids(control, domain, ids)
    elif query is not None:
        portions = _of_query(control, domain, parse_query(query, control.store.clock.now()))
    else:
        portions = _of_all(control, domain)
    released = 0
    async for some in portions:
        step = partial(contained.release, domain=domain.id, ids=some, by=control.caller.name)
        released += await control.store.run(step, bulk=True)
        control.progress({"released": released})
    return Released(domain.name, released, await control.store.read(partial(contained.count, domain=domain.id)))


async def _of_ids(control: Control, domain: Domain, shown: list[str]) -> AsyncIterator[list[int]]:
    wanted = _ids(shown)
    await control.store.read(partial(contained.refuse_unless_kept, domain=domain.id, ids=wanted))
    for first in range(0, len(wanted), contained.STEP):
        yield wanted[first : first + contained.STEP]


async def _of_query(control: Control, domain: Domain, query: Query) -> AsyncIterator[list[int]]:
    ids = await found(control, query, Whose(domain.id))
    for first in range(0, len(ids), contained.STEP):
        some = ids[first : first + contained.STEP].tolist()
        yield await control.store.read(partial(_kept_of, domain=domain.id, archived_ids=some))


def _kept_of(tx: Transaction, domain: int, archived_ids: list[int]) -> list[int]:
    bodies = [one.body.id for one in archived.find(tx, archived_ids)]
    return contained.of_bodies(tx, domain, bodies)


async def _of_all(control: Control, domain: Domain) -> AsyncIterator[list[int]]:
    while some := await control.store.read(partial(contained.some, domain=domain.id)):
        yield some


def _lifted(tx: Transaction, name: str) -> Domain:
    domain = domains.known(tx, name)
    if domain.contained:
        hint = Hint("contain off", "lifts that", {"name": domain.name})
        raise Refused(f"{domain.name}: its home server is cut off, so that nothing may go there", "conflict", hint)
    return domain


def _ids(shown: list[str]) -> list[int]:
    if len(shown) > MOST_IDS:
        raise Refused(f"ids: {len(shown)} are given; at most {MOST_IDS} at a time")
    try:
        return [identifier.parse(one) for one in dict.fromkeys(shown)]
    except ValueError as error:
        raise Refused(str(error), "invalid", Hint("contain list", "shows them")) from None
