"""Operations on outages: those that were and are, what can be done about them, and what a link in an alert is for."""

from __future__ import annotations

from functools import partial

import msgspec

from mpcontinuity.accounts import audit, domains
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.alerts import acting
from mpcontinuity.alerts import outages as rows
from mpcontinuity.alerts.acting import ACTS, Act, Linked
from mpcontinuity.alerts.outages import Outage
from mpcontinuity.control.arguments import PAGE, domain_name, moment, row_id, rows_of_page
from mpcontinuity.control.operation import Control
from mpcontinuity.model import durations, identifier
from mpcontinuity.model.clock import SECOND, iso
from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.queue.balance import Balance, Sums
from mpcontinuity.store.transaction import Transaction

_LASTS = "4h"  # of what is started, extended or silenced where nobody says for how long: half a working day

_balance = msgspec.json.Decoder(Balance).decode


class OutageRow(msgspec.Struct, frozen=True):
    """A period in which continuity was at work for a domain. Times are ISO 8601, and None where there is none yet.

    ``causes`` are ``down``, ``declared`` and ``contained``. ``snoozed_until`` is until when no mails about it come.
    ``recovered`` is when all that was owed from it had been tried; the numbers of messages are None before that.
    ``open`` counts what is still owed, or in doubt, then.
    """

    id: str
    domain: str
    began: str
    ended: str | None
    causes: list[str]
    reason: str
    snoozed_until: str | None
    recovered: str | None
    taken_in: int | None
    delivered: int | None
    deleted: int | None
    failed: int | None
    expired: int | None
    open: int | None


class OutageShown(OutageRow, frozen=True):
    """An outage with all that is known of it.

    ``told`` has when each step was taken about it, such as telling subscribers, by its name. ``users`` are those whose
    mail was kept, at most 100 of them, and ``more_users`` is how many others there were. ``longest_wait`` is the time
    from taking in to delivery of the message that waited longest, in seconds.
    """

    told: dict[str, str]
    users: list[Sums]
    more_users: int
    longest_wait: float | None


class ActDone(msgspec.Struct, frozen=True):
    """What was done about an outage of a domain, in one line."""

    domain: str
    act: Act
    done: str


class LinkShown(msgspec.Struct, frozen=True):
    """What a link in an alert is good for: acts on a domain, until the time ``expires`` (ISO 8601).

    ``to`` is the address that the mail with the link went to. ``outage`` is the one that it was about, None where it
    was about none. ``declared`` says whether an outage of the domain is declared now.
    """

    domain: str
    to: str
    expires: str
    acts: list[Act]
    declared: bool
    outage: OutageRow | None


async def list_(
    control: Control, domain: str | None = None, since: str | None = None, after: str = "", limit: int = PAGE
) -> list[OutageRow]:
    """Returns up to ``limit`` outages of one domain or of all, newest first, those after the id ``after``.

    ``since`` is a time or a duration before now. Raises Refused for a domain that is not here, for a limit out of
    bounds, and for what is no time or no id.
    """
    start = moment(since, control.store.clock.now()) if since is not None else 0
    before = row_id(after) or identifier.LAST
    work = partial(_listing, name=domain, since=start, before=before, limit=rows_of_page(limit))
    return await control.store.read(work)


def _listing(tx: Transaction, name: str | None, since: int, before: int, limit: int) -> list[OutageRow]:
    wanted = domains.known(tx, name).id if name is not None else 0
    return [row(one) for one in rows.listing(tx, domain=wanted, since=since, before=before, limit=limit)]


async def show(control: Control, id: str, domain: str | None = None) -> OutageShown:
    """Shows an outage with its report. ``domain`` is the one that it must be of, where that is given.

    Raises Refused for text that is no id, and where there is no such outage.
    """
    return await control.store.read(partial(_show, number=number_of(id), name=domain))


def number_of(id: str) -> int:
    """Returns the number of an outage by its id. Raises Refused for text that is none."""
    try:
        return identifier.parse(id)
    except ValueError as error:
        raise Refused(f"id: {error}") from None


def _show(tx: Transaction, number: int, name: str | None) -> OutageShown:
    found = _find(tx, number, domain_name(name) if name is not None else None)
    report = _balance(found.report) if found.report else None
    return OutageShown(
        **msgspec.structs.asdict(row(found)),
        told={step: iso(time) for step, time in found.told.items()},
        users=report.users if report else [],
        more_users=report.more_users if report else 0,
        longest_wait=report.longest_wait / SECOND if report else None,
    )


def of_domain(tx: Transaction, number: int, domain: Domain) -> Outage:
    """Returns the outage with that number. Raises Refused where the domain has no such outage."""
    return _find(tx, number, domain.name)


def _find(tx: Transaction, number: int, name: str | None) -> Outage:
    found = rows.find(tx, number)
    if found is None or (name is not None and found.name != name):
        raise Refused(f"{identifier.show(number)}: no such outage", "unknown", Hint("outage list", "shows them"))
    return found


def row(outage: Outage) -> OutageRow:
    """Returns the row of an outage."""
    sums = _balance(outage.report).total if outage.report else None
    return OutageRow(
        id=identifier.show(outage.id),
        domain=outage.name,
        began=iso(outage.began),
        ended=_time(outage.ended),
        causes=list(outage.causes),
        reason=outage.reason,
        snoozed_until=_time(outage.snoozed_until),
        recovered=_time(outage.recovered),
        taken_in=sums.taken_in if sums else None,
        delivered=sums.delivered if sums else None,
        deleted=sums.deleted if sums else None,
        failed=sums.failed if sums else None,
        expired=sums.expired if sums else None,
        open=sums.owed + sums.in_doubt if sums else None,
    )


def _time(time: int) -> str | None:
    return iso(time) if time else None


async def act(control: Control, domain: str, act: Act, lasts: str = _LASTS) -> ActDone:
    """Declares an outage of the domain from now on (start), moves its end (extend), ends it (stop), or silences the
    mails about the present outage (snooze).

    ``lasts`` is a duration: of the outage, by which its end moves, or of the silence. Raises Refused for a domain that
    is not here, for a duration that will not do, and where there is nothing to extend, stop or silence.
    """
    work = partial(_act, name=domain, what=act, lasts=_duration(lasts), by=control.caller.name)
    return await control.store.run(work)


def _act(tx: Transaction, name: str, what: Act, lasts: int, by: str) -> ActDone:
    domain = domains.known(tx, name)
    return ActDone(domain.name, what, acting.act(tx, domain, what, lasts, by))


def _duration(text: str) -> int:
    try:
        return round(durations.parse(text) * SECOND)
    except ValueError as error:
        raise Refused(f"for: {error}") from None


async def link(control: Control, token: str, domain: str | None = None) -> LinkShown:
    """Shows what a link in an alert is good for. ``token`` is what stands in the link behind ``/outage/``.

    Raises Refused for a link that was altered, has expired or was replaced, and where it is not about ``domain``.
    """
    return await control.store.read(partial(_link, token=token, name=domain))


def _link(tx: Transaction, token: str, name: str | None) -> LinkShown:
    found = acting.linked(tx, token)
    _refuse_other(found, name)
    return LinkShown(
        domain=found.domain.name,
        to=found.to,
        expires=iso(found.expires),
        acts=list(ACTS),
        declared=found.domain.mode(tx.now) == "enabled",
        outage=row(found.outage) if found.outage is not None else None,
    )


def _refuse_other(found: Linked, name: str | None) -> None:
    if name is not None and domain_name(name) != found.domain.name:
        raise Refused(f"{name}: this link is about another domain", "forbidden")


async def redeem(control: Control, token: str, act: Act, lasts: str = _LASTS, domain: str | None = None) -> ActDone:
    """Does what `outage act` does by the right of a link in an alert, whose use is noted in the audit.

    ``token`` is what stands in the link behind ``/outage/``. Where ``domain`` is given the link must be about it. What
    is silenced is the outage that the mail was about. Raises Refused as `outage link` and `outage act` do, and then
    nothing is changed.
    """
    work = partial(_redeem, token=token, name=domain, what=act, lasts=_duration(lasts), text=lasts)
    return await control.store.run(work)


def _redeem(tx: Transaction, token: str, name: str | None, what: Act, lasts: int, text: str) -> ActDone:
    found = acting.use(tx, token)
    _refuse_other(found, name)
    by = f"{found.to} by a link"
    outage = found.outage.id if found.outage is not None else 0
    done = acting.act(tx, found.domain, what, lasts, by, outage)
    _note(tx, found.domain, by, f"act={what} lasts={text}")
    return ActDone(found.domain.name, what, done)


def _note(tx: Transaction, domain: Domain, by: str, said: str) -> None:
    row = audit.begin(tx, audit.Act(by, "a link in an alert", "outage act", said, domain.name))
    audit.end(tx, row, "done")
