"""What may be dropped of the archive, and what may not: ``archive purge`` and ``archive hold``."""

from __future__ import annotations

from functools import partial

import msgspec

from mpcontinuity.accounts import domains, users
from mpcontinuity.archive import holds, retention
from mpcontinuity.archive import query as language
from mpcontinuity.archive.holds import Hold
from mpcontinuity.control.archive import whose_mail
from mpcontinuity.control.arguments import PAGE, mail_address, moment, row_id, rows_of_page
from mpcontinuity.control.finding import found
from mpcontinuity.control.operation import Control
from mpcontinuity.model import identifier
from mpcontinuity.model.clock import LASTED, LATEST, iso
from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.store.transaction import Transaction

_LONGEST_NOTE = 500  # characters


class HoldRow(msgspec.Struct, frozen=True):
    """A hold: of all mail of a ``user``, or of so many ``messages`` that a ``query`` found when it was made.

    ``messages`` is None for that of a user, which also holds what comes. One of a query is not ``complete`` while its
    messages are gathered, or where that was cut off. ``domain`` is empty for one that
    administrators of all domains alone see and lift.
    """

    id: str
    created: str
    by: str
    domain: str
    user: str
    query: str
    note: str
    messages: int | None
    complete: bool


class Lifted(msgspec.Struct, frozen=True):
    """The id of the hold that is no more."""

    lifted: str


class PurgedRow(msgspec.Struct, frozen=True):
    """How many messages were dropped, how many are older than retention asks for and are held, and how many from before
    the time that was given are younger than that, so that they stay."""

    dropped: int
    held: int
    kept: int


async def purge(control: Control, before: str | None = None, domain: str | None = None) -> PurgedRow:
    """Drops what retention allows: messages that are older than the retention-days of their domain as it is set now.

    With ``before``, a time or a duration before now, only of what came before that; with ``domain`` only its own. What
    is owed, held or in a mailbox is kept. Raises Refused for a domain that is not here, what is no time, and where the
    clock is not believed.
    """
    store = control.store
    if not store.trusts_time(LASTED):
        raise Refused("the clock has jumped, and nothing is dropped by it until it is believed again", "conflict")
    of = (await store.read(partial(domains.known, name=domain))).id if domain is not None else 0
    until = moment(before, store.clock.now()) if before is not None else LATEST
    done = await retention.purge(store, until, of)
    left = await store.read(partial(retention.count, before=until, domain=of)) if before is not None else 0
    return PurgedRow(done.dropped, done.held, max(left - done.held, 0))


async def add(control: Control, query: str = "", user: str = "", note: str = "", domain: str | None = None) -> HoldRow:
    """Keeps all mail of a ``user``, also what comes later, or what a ``query`` finds now, until the hold is lifted.

    With a ``domain`` it is of its own mail, and its administrators see and lift it. Raises Refused, and holds nothing,
    unless one of both is given; for a user who has never been here; and for a query that cannot be read or that the
    index is not ready for.
    """
    if bool(query.strip()) is bool(user):
        raise Refused("a query or a user must be given, and not both", field="query")
    if len(note) > _LONGEST_NOTE:
        raise Refused(f"note: has {len(note)} characters; at most {_LONGEST_NOTE} are allowed")
    if user:
        hold = await control.store.run(partial(_hold_user, user=user, note=note, domain=domain, by=control.caller.name))
        return await _shown(control, hold)
    wanted = language.parse(query, control.store.clock.now())
    ids = await found(control, wanted, await whose_mail(control, "", domain))
    hold = await control.store.run(partial(_begin, query=query, note=note, domain=domain, by=control.caller.name))
    for start in range(0, len(ids), holds.STEP):
        some = ids[start : start + holds.STEP].tolist()
        await control.store.run(partial(holds.keep, hold=hold, messages=some), bulk=True)
        control.progress({"held": start + len(some), "found": len(ids)})
    await control.store.run(partial(holds.complete, hold=hold))
    return await _shown(control, hold)


def _hold_user(tx: Transaction, user: str, note: str, domain: str | None, by: str) -> int:
    address = mail_address(user)
    of = domains.known(tx, domain) if domain is not None else None
    if of is not None and address.domain != of.name:
        raise Refused(f"{address}: is not in {of.name}", "forbidden")
    known = users.find_exactly(tx, address)
    keys = users.keys(tx, known.id) if known is not None else [address.key]
    return _made(holds.add(tx, domain=_id(of), query="", user=address.text, keys=keys, note=note, name=by))


def _begin(tx: Transaction, query: str, note: str, domain: str | None, by: str) -> int:
    of = domains.known(tx, domain) if domain is not None else None
    return _made(holds.add(tx, domain=_id(of), query=query, user="", keys=(), note=note, name=by))


def _id(domain: domains.Domain | None) -> int:
    return domain.id if domain is not None else 0


def _made(hold: int | None) -> int:
    if hold is None:
        hint = Hint("archive hold", "lifts one", {"lift": "ID"})
        raise Refused(
            f"there are as many holds as there may be: {holds.MOST_OF_DOMAIN} of a domain, {holds.MOST} in all",
            "conflict",
            hint,
        )
    return hold


async def list_(control: Control, domain: str | None = None, after: str = "", limit: int = PAGE) -> list[HoldRow]:
    """Returns up to ``limit`` holds, the oldest first, those after the id ``after``.

    With a ``domain`` those that its administrators see. Raises Refused for a domain that is not here, for a limit out
    of bounds, and for an ``after`` that is no id.
    """
    return await control.store.read(partial(_list, domain=domain, after=row_id(after), limit=rows_of_page(limit)))


def _list(tx: Transaction, domain: str | None, after: int, limit: int) -> list[HoldRow]:
    of = domains.known(tx, domain).id if domain is not None else 0
    names = {one.id: one.name for one in domains.listing(tx)}
    every = holds.listing(tx, after, holds.MOST)
    return [_row(hold, names) for hold in every if of in (0, hold.domain)][:limit]


def _row(hold: Hold, names: dict[int, str]) -> HoldRow:
    return HoldRow(
        id=identifier.show(hold.id),
        created=iso(hold.created),
        by=hold.name,
        domain=names.get(hold.domain, "a domain that was removed") if hold.domain else "",
        user=hold.user,
        query=hold.query,
        note=hold.note,
        messages=None if hold.user else hold.messages,
        complete=hold.complete,
    )


async def _shown(control: Control, hold: int) -> HoldRow:
    (row,) = await control.store.read(partial(_list, domain=None, after=hold - 1, limit=1))
    return row


async def lift(control: Control, id: str, domain: str | None = None) -> Lifted:
    """Ends a hold: what it kept is dropped within a day or two, where its time has come, or by ``archive purge``.

    With a ``domain`` only one that its administrators see. Raises Refused for an id that is no hold.
    """
    try:
        hold = identifier.parse(id)
    except ValueError as error:
        raise Refused(str(error)) from None
    await control.store.run(partial(_lift, hold=hold, domain=domain))
    return Lifted(id)


def _lift(tx: Transaction, hold: int, domain: str | None) -> None:
    of = domains.known(tx, domain).id if domain is not None else 0
    found = [one for one in holds.listing(tx, hold - 1, 1) if one.id == hold]
    if not found:
        raise Refused(
            f"{identifier.show(hold)}: no such hold", "unknown", Hint("archive hold", "shows them", {"list": True})
        )
    if of not in (0, found[0].domain):
        raise Refused(f"{identifier.show(hold)}: is not of your domain", "forbidden")
    holds.lift(tx, hold)
