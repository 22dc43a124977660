"""The archive: ``archive search``."""

from __future__ import annotations

from functools import partial

from mpcontinuity.accounts import domains, users
from mpcontinuity.archive import query as language
from mpcontinuity.archive.matching import Whose
from mpcontinuity.archive.query import Query
from mpcontinuity.archive.search import ArchivedRow
from mpcontinuity.archive.search import search as find
from mpcontinuity.children.pool import Died
from mpcontinuity.control.arguments import mail_address, moment, row_id, rows_of_page
from mpcontinuity.control.operation import Control
from mpcontinuity.model.address import Address
from mpcontinuity.model.clock import EARLIEST, LATEST
from mpcontinuity.model.errors import Temporary
from mpcontinuity.store.transaction import Transaction


async def search(
    control: Control,
    query: str = "",
    user: str = "",
    since: str | None = None,
    until: str | None = None,
    domain: str | None = None,
    limit: int = 100,
    after: str = "",
) -> list[ArchivedRow]:
    """Returns archived messages that a query finds (archive/query.py), newest first: up to ``limit``, those behind the
    one with the id ``after``.

    With a ``user``, what came to one of their addresses or was sent from one; of its recipients they are shown their
    own. ``since`` and ``until`` are times or durations before now. What is in no index yet and could not be searched is
    told as progress. Raises Refused for a query that cannot be read, for a domain that is not here, for a limit out of
    bounds, and for what is no address, time or id.
    """
    limit, last = rows_of_page(limit), row_id(after)
    now = control.store.clock.now()
    wanted = narrowed(language.parse(query, now), since, until, now)
    whose = await whose_mail(control, user, domain)
    await control.searches.acquire()
    try:
        found = await find(control.store, control.jobs, wanted, whose, limit, last)
    except Died as error:
        raise Temporary(str(error)) from None
    finally:
        control.searches.release()
    if found.unsearched:
        control.progress({"unsearched": found.unsearched})
    return found.rows


def narrowed(query: Query, since: str | None, until: str | None, now: int) -> Query:
    """Returns the query for a span of time; ``since`` and ``until`` are as in `search`. Raises Refused."""
    return query.between(moment(since, now) if since else EARLIEST, moment(until, now) if until else LATEST)


async def whose_mail(control: Control, user: str, domain: str | None) -> Whose:
    """Returns whose mail an operation is about, given its arguments. Raises Refused.

    A ``user`` who was removed is known by the one address that is given. Users themselves are not shown what came to an
    address while it was somebody else's; administrators are.
    """
    address = mail_address(user) if user else None
    own = control.caller.user is not None
    return await control.store.read(partial(_whose, address=address, domain=None if own else domain, own=own))


def _whose(tx: Transaction, address: Address | None, domain: str | None, *, own: bool) -> Whose:
    within = domains.known(tx, domain).id if domain is not None else 0
    if address is None:
        return Whose(within)
    known = users.find_exactly(tx, address)
    since = users.keys_since(tx, known.id) if known is not None else {address.key: 0}
    if own and known is not None:  # not of a domain that was removed and had the same name
        within = known.domain
    return Whose(within, frozenset(since), since if own else {})
