"""Operations on drills: outages that are played for some users of a domain, on live mail."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

import msgspec

from mpcontinuity.accounts import domains, drills, home_state, users
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.accounts.drills import Drill
from mpcontinuity.control import drill_report
from mpcontinuity.control.arguments import PAGE, mail_address, row_id, rows_of_page
from mpcontinuity.control.drill_report import DrillReport
from mpcontinuity.control.operation import Control
from mpcontinuity.model import durations, identifier
from mpcontinuity.model.clock import DAY, SECOND, iso
from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.routing.health import State
from mpcontinuity.store.transaction import Transaction

SHORTEST = SECOND
LONGEST = DAY  # whoever plays longer has an outage, and declares it


class DrillRow(msgspec.Struct, frozen=True, rename={"starts": "from", "ends": "until", "administrator": "by"}):
    """An outage that is played for some users. Times are in ISO 8601. ``by`` is the administrator who began it."""

    id: str
    domain: str
    starts: str
    ends: str
    administrator: str
    state: Literal["under way", "ended"]
    users: list[str]


def row(domain: str, drill: Drill, now: int) -> DrillRow:
    """Returns the row of a drill of the domain of that name, at ``now`` (µs)."""
    return DrillRow(
        id=identifier.show(drill.id),
        domain=domain,
        starts=iso(drill.starts),
        ends=iso(drill.over),
        administrator=drill.by,
        state="ended" if drill.ended or drill.ends <= now else "under way",
        users=[address for _, address in drill.users],
    )


async def begin(control: Control, name: str, user: list[str], lasts: str) -> DrillRow:
    """Plays an outage of the domain's home server for the users with these addresses alone, from now on.

    Their mail is kept here and goes home afterwards, everybody else's passes. ``lasts`` is a duration, at most a day.
    Raises Refused for a domain or a user that is not here, for a user who is not active, for a duration that will not
    do, while another drill of the domain is under way, and in a real outage.
    """
    if not user:
        raise Refused("user: name at least one user of the domain")
    if len(user) > drills.MOST_USERS:
        raise Refused(f"user: {len(user)} are named; at most {drills.MOST_USERS} at a time")
    try:
        duration = round(durations.parse(lasts) * SECOND)
    except ValueError as error:
        raise Refused(f"for: {error}") from None
    if not SHORTEST <= duration <= LONGEST:
        shortest, longest = durations.show(SHORTEST / SECOND), durations.show(LONGEST / SECOND)
        raise Refused(f'for: "{lasts}": must be {shortest} to {longest}')
    work = partial(_begin, name=name, addresses=user, lasts=duration, by=control.caller.name)
    return await control.store.run(work)


def _begin(tx: Transaction, name: str, addresses: Sequence[str], lasts: int, by: str) -> DrillRow:
    domain = domains.known(tx, name)
    _refuse_in_outage(tx, domain)
    named = [_user(tx, domain, address) for address in addresses]
    drill = drills.begin(tx, domain.id, sorted(dict(named).items()), lasts, by)
    return row(domain.name, drill, tx.now)


def _refuse_in_outage(tx: Transaction, domain: Domain) -> None:
    if not domain.settings.continuity:
        raise Refused(f"{domain.name}: continuity is off, so that nothing would be kept", "conflict")
    why = domain.why_not_home(tx.now)
    if not why and home_state.state(tx, domain.id) is State.DOWN:
        why = "its home server is down"
    if why:
        raise Refused(f"{domain.name}: is in a real outage ({why}), which needs no drill", "conflict")


def _user(tx: Transaction, domain: Domain, text: str) -> tuple[int, str]:
    address = mail_address(text)
    user = users.find_exactly(tx, address) if address.domain == domain.name else None
    if user is None:
        raise Refused(
            f"{text}: no such user of {domain.name}",
            "unknown",
            Hint("user list", "shows them", {"domain": domain.name}),
        )
    if not user.registered:
        raise Refused(f"{text}: is {user.status}, so that no mail is kept for them", "conflict")
    return user.id, user.address


async def list_(control: Control, domain: str | None = None, after: str = "", limit: int = PAGE) -> list[DrillRow]:
    """Lists up to ``limit`` drills of one domain or of all, in the order in which they began, those after the id
    ``after``. Raises Refused for a domain that is not here, for a limit out of bounds, and for an ``after`` that is no
    id."""
    work = partial(_list, name=domain, after=row_id(after), limit=rows_of_page(limit))
    return await control.store.read(work)


def _list(tx: Transaction, name: str | None, after: int, limit: int) -> list[DrillRow]:
    only = domains.known(tx, name) if name is not None else None
    found = drills.page(tx, only.id if only is not None else 0, after, limit)
    names = {each.id: each.name for each in ([only] if only is not None else domains.listing(tx))}
    return [row(names[drill.domain], drill, tx.now) for drill in found]


async def end(control: Control, name: str) -> DrillRow:
    """Ends the drill of the domain that is under way, and shows it. Raises Refused where there is none."""
    return await control.store.run(partial(_end, name=name))


def _end(tx: Transaction, name: str) -> DrillRow:
    domain = domains.known(tx, name)
    return row(domain.name, drills.end(tx, domain.id), tx.now)


async def report(control: Control, id: str, domain: str | None = None) -> DrillReport:
    """Returns the report of the drill with that id, of that ``domain`` where one is given: who logged in and by what,
    and each message in and out with its times.

    Once all of its mail is home the report is kept as it is. Raises Refused for an id that is none of a drill.
    """
    try:
        wanted = identifier.parse(id)
    except ValueError as error:
        raise Refused(f"id: {error}") from None
    drill = await control.store.read(partial(_found, wanted=wanted, name=domain))
    made = await drill_report.report(control.store, drill)
    await drill_report.keep_complete(control.store, drill, made)
    return made


def _found(tx: Transaction, wanted: int, name: str | None) -> Drill:
    drill = drills.find(tx, wanted)
    if drill is None or (name is not None and drill.domain != domains.known(tx, name).id):
        raise Refused(f"{identifier.show(wanted)}: no such drill", "unknown", Hint("drill list", "shows them"))
    return drill
