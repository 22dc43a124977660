"""What waits for home servers and for the world: listed, tried again, taken out."""

from __future__ import annotations

import re
from functools import partial
from operator import itemgetter

import msgspec

from mpcontinuity.accounts import domains
from mpcontinuity.control.arguments import PAGE, row_id, rows_of_page
from mpcontinuity.control.operation import Control
from mpcontinuity.model import identifier
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.queue import listing as queue
from mpcontinuity.queue import outbound
from mpcontinuity.store.transaction import Transaction

_DESTINATION = re.compile(r"([0-9]{1,15}) ([^\s\x00]+)")


class Retried(msgspec.Struct, frozen=True):
    """How many messages are due now."""

    retried: int


class TakenOut(msgspec.Struct, frozen=True):
    """How many messages do not wait any more."""

    removed: int


async def list_(
    control: Control, domain: str | None = None, after: str = "", limit: int = PAGE
) -> list[queue.QueueRow]:
    """Lists up to ``limit`` messages that wait for home servers and for the world, oldest first, those after the id
    ``after``. Raises Refused for a domain that is not here, for a limit out of bounds, and for an ``after``
    that is no id."""
    give_up = round(control.settings.retry.give_up * SECOND)
    page = partial(_list, domain=domain, after=row_id(after), limit=rows_of_page(limit), give_up=give_up)
    return await control.store.read(page)


def _list(tx: Transaction, domain: str | None, after: int, limit: int, give_up: int) -> list[queue.QueueRow]:
    wanted = domains.known(tx, domain).id if domain is not None else 0
    home = queue.listing(tx, domain=wanted, after=after, limit=limit, give_up=give_up)
    world = outbound.listing(tx, domain=wanted, after=after, limit=limit)
    return [row for _, row in sorted([*home, *world], key=itemgetter(0))[:limit]]


async def destinations(
    control: Control, domain: str | None = None, after: str = "", limit: int = PAGE
) -> list[outbound.Destination]:
    """Lists where mail to the world waits to go, those with most waiting first.

    There are up to ``limit`` of them, those after ``after``: how many messages wait for the last one of the page
    before, and its name. Raises Refused for a domain that is not here, for a limit out of bounds, and for an
    ``after`` of another form.
    """
    found = _DESTINATION.fullmatch(after) if after else None
    if after and found is None:
        raise Refused(f'after: "{after}": not a number of messages and a destination')
    last = (int(found[1]), found[2]) if found is not None else None
    return await control.store.read(partial(_destinations, domain=domain, after=last, limit=rows_of_page(limit)))


def _destinations(
    tx: Transaction, domain: str | None, after: tuple[int, str] | None, limit: int
) -> list[outbound.Destination]:
    wanted = domains.known(tx, domain).id if domain is not None else 0
    return outbound.destinations(tx, domain=wanted, after=after, limit=limit)


async def retry(control: Control, ids: list[str] | None = None, domain: str | None = None) -> Retried:
    """Makes messages due now, those with these ids or all; reopens what has failed or expired. A home server that is
    down is probed at once, and one good answer is enough for what it is owed to go there.

    With a ``domain`` only its own. Raises Refused, and changes nothing, for an id that is unknown, of another domain,
    or at another end.
    """
    wanted = (await control.store.read(partial(domains.known, name=domain))).id if domain is not None else 0
    by = control.caller.name
    give_up = round(control.settings.retry.give_up * SECOND)
    if ids is not None:
        some = partial(_retry, ids=_ids(ids), domain=wanted, by=by, give_up=give_up)
        return Retried(await control.store.run(some))
    count = 0
    for again in (
        partial(queue.retry_all, domain=wanted, by=by),
        partial(outbound.retry_all, domain=wanted, by=by, give_up=give_up),
    ):
        after = 0
        while step := await control.store.run(partial(again, after=after), bulk=True):
            count += len(step)
            after = step[-1]
    return Retried(count)


def _retry(tx: Transaction, ids: list[int], domain: int, by: str, give_up: int) -> int:
    ours = outbound.known(tx, ids)
    home = [one for one in ids if one not in ours]
    count = outbound.retry(tx, sorted(ours), by, domain=domain, give_up=give_up)
    return count + (queue.retry(tx, home, by, domain=domain) if home else 0)


async def remove(control: Control, ids: list[str], domain: str | None = None) -> TakenOut:
    """Takes messages out: what is owed to home servers is released, what goes to the world is not sent.

    With a ``domain`` only its own. Raises Refused, and changes nothing, for an id that is unknown, of another domain,
    at its end, or just being taken by the home server.
    """
    wanted = (await control.store.read(partial(domains.known, name=domain))).id if domain is not None else 0
    some = partial(_remove, ids=_ids(ids), domain=wanted, by=control.caller.name)
    return TakenOut(await control.store.run(some))


def _remove(tx: Transaction, ids: list[int], domain: int, by: str) -> int:
    ours = outbound.known(tx, ids)
    home = [one for one in ids if one not in ours]
    count = outbound.remove(tx, sorted(ours), by, domain=domain)
    return count + (queue.remove(tx, home, by, domain=domain) if home else 0)


def _ids(shown: list[str]) -> list[int]:
    try:
        return [identifier.parse(one) for one in shown]
    except ValueError as error:
        raise Refused(str(error), "invalid", Hint("queue list", "shows them")) from None
