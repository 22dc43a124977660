"""What can be done about an outage by one word: started, extended, stopped, or its mails silenced. Transactions."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from mpcontinuity.accounts import domains, links, plans
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.alerts import outages
from mpcontinuity.alerts.mailing import LinkAbout
from mpcontinuity.alerts.outages import Outage
from mpcontinuity.model.clock import DAY, LATEST, MINUTE, iso
from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.store.transaction import Transaction

Act = Literal["start", "extend", "snooze", "stop"]
ACTS: Final[tuple[Act, ...]] = ("start", "extend", "snooze", "stop")

SHORTEST = MINUTE
LONGEST = 7 * DAY  # at a time: who clicks in a hurry shall not end continuity's silence, nor mail, for a month

_about = msgspec.json.Decoder(LinkAbout).decode


class Linked(msgspec.Struct, frozen=True):
    """What a link in an alert is good for: its domain, the outage that it came with if any, who got it, and until when
    (µs)."""

    domain: Domain
    outage: Outage | None
    to: str
    expires: int


def act(tx: Transaction, domain: Domain, what: Act, lasts: int, by: str, outage: int = 0) -> str:
    """Starts, extends or stops a declared outage of the domain, or silences the mails about the present one.

    ``lasts`` is for how long, in µs; ``by`` is who wants it. ``outage`` is the id of the one to be silenced, 0 for the
    present one. Returns in one line what was done. Raises Refused, and changes nothing, where it is not possible.
    """
    if what != "stop" and not SHORTEST <= lasts <= LONGEST:
        raise Refused(f"for: must be {SHORTEST // MINUTE}m to {LONGEST // DAY}d")
    if what == "start":
        return _start(tx, domain, lasts, by)
    if what == "extend":
        return _extend(tx, domain, lasts, by)
    if what == "stop":
        return _stop(tx, domain, by)
    return _snooze(tx, domain, lasts, outage)


def _start(tx: Transaction, domain: Domain, lasts: int, by: str) -> str:
    if not domain.settings.continuity:
        raise Refused(f"{domain.name}: continuity is off, so that nothing would be kept", "conflict")
    if domain.mode(tx.now) == "enabled":
        raise Refused(f"{domain.name}: an outage is declared already; extend it", "conflict")
    plan = plans.add(tx, domain.id, tx.now, tx.now + lasts, "", by)
    return f"an outage of {domain.name} is declared until {iso(plan.ends)}"


def _extend(tx: Transaction, domain: Domain, lasts: int, by: str) -> str:
    plan = domain.plan(tx.now)
    if plan is not None:
        plan = plans.extend(tx, domain.id, plan.id, by=lasts)
        return f"the outage of {domain.name} is declared until {iso(plan.ends)}"
    _refuse_undeclared(tx, domain)
    until = domain.settings.mode_until
    if not until:
        raise Refused(f"{domain.name}: the declared outage has no end, so that none can be moved; stop it", "conflict")
    settings = msgspec.structs.replace(domain.settings, mode_until=min(until + lasts, LATEST))
    domains.change(tx, domain, settings)
    domains.note_mode(tx, domain, by)
    return f"the outage of {domain.name} is declared until {iso(settings.mode_until)}"


def _stop(tx: Transaction, domain: Domain, by: str) -> str:
    _refuse_undeclared(tx, domain)
    plan = domain.plan(tx.now)
    if plan is not None:
        plans.end(tx, domain.id, plan.id)
    if domain.settings.mode == "enabled":
        domains.change(tx, domain, msgspec.structs.replace(domain.settings, mode="disabled", mode_until=0))
        domains.note_mode(tx, domain, by)
    return f"no outage of {domain.name} is declared any more"


def _refuse_undeclared(tx: Transaction, domain: Domain) -> None:
    if domain.mode(tx.now) != "enabled":
        raise Refused(
            f"{domain.name}: no outage is declared now", "conflict", Hint("outage list", "shows those there were")
        )


def _snooze(tx: Transaction, domain: Domain, lasts: int, outage: int) -> str:
    present = outages.going_on(tx, domain.id)
    if present is None or outage not in (0, present.id):
        raise Refused(f"{domain.name}: that outage is over, and no mails about it come any more", "conflict")
    outages.snooze(tx, present.id, tx.now + lasts)
    return f"no mails about the outage of {domain.name} until {iso(tx.now + lasts)}, but of its end"


def linked(tx: Transaction, secret: str) -> Linked:
    """Returns what the link with that secret is good for. Raises Refused for one that is not good (any more)."""
    return _linked(tx, links.find(tx, links.ALERT, secret))


def use(tx: Transaction, secret: str) -> Linked:
    """Notes that the link with that secret is used, and returns what `linked` does. Raises Refused as that does."""
    return _linked(tx, links.use(tx, links.ALERT, secret))


def _linked(tx: Transaction, link: links.Link) -> Linked:
    about = _about(link.about)
    domain = next((one for one in domains.listing(tx) if one.id == about.domain), None)
    if domain is None:
        raise Refused("this link is about a domain that is not here any more", "conflict")
    return Linked(domain, outages.find(tx, about.outage) if about.outage else None, about.to, link.expires)
