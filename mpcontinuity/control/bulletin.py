"""What a user is told of continuity: whether it is at work for them, since when and why, and what becomes of their
mail.

The facts are those of `status`, `outage list` and `report`, so that a user and an administrator never see two truths.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from mpcontinuity.accounts import domains, home_state
from mpcontinuity.accounts.domains import Domain, Mode
from mpcontinuity.accounts.users import User
from mpcontinuity.alerts import outages
from mpcontinuity.alerts.outages import Outage
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import DAY
from mpcontinuity.model.identifier import LAST
from mpcontinuity.queue import balance, ledger, progress
from mpcontinuity.queue.balance import Sums
from mpcontinuity.routing.health import SUSPICION, State
from mpcontinuity.store.transaction import Transaction

AFTERWARDS: Final = 3 * DAY  # so long it is said that everything went back: over a weekend

# `quiet`: nothing is to be said. `active`: mail comes here. `returning`: home is back, and is owed some of it still.
# `returned`: home has all of it.
Phase = Literal["quiet", "active", "returning", "returned"]
Cause = Literal["", "down", "declared", "contained", "drill", "opted in"]

_NOTHING: Final = Sums("")


@dataclass(frozen=True, slots=True)
class Bulletin:
    """What a user is told of continuity. Times are in µs, and 0 where they are not known.

    ``since`` is when it began to be at work, and ``ended`` when that ended. ``until`` is when what is declared ends by
    itself. ``sums`` is what became of the user's mail since it began, and ``waiting`` how much home is owed of theirs
    in all. ``lasts`` are the µs until the mail of the domain is home at the present pace, None where that cannot be
    told. ``missing`` is how many messages nobody knows the fate of. ``mode`` and ``opted_in`` are what the domain and
    the user have chosen.
    """

    phase: Phase = "quiet"
    cause: Cause = ""
    since: int = 0
    ended: int = 0
    until: int = 0
    mode: Mode = "disabled"
    opted_in: bool = False
    sums: Sums = _NOTHING
    waiting: int = 0
    lasts: int | None = None
    missing: int = 0

    @property
    def optional(self) -> bool:
        """Whether the user may opt in and out."""
        return self.mode == "optional"


def bulletin(tx: Transaction, user: User) -> Bulletin:
    """Returns what a user is told now. It is work for one transaction."""
    domain = domains.find(tx, parse(user.address).domain)
    if domain is None or not domain.settings.continuity:
        return Bulletin()
    newest = outages.listing(tx, domain=domain.id, since=0, before=LAST, limit=1)
    told = _active(tx, user, domain, newest[0] if newest else None)
    waiting = balance.waiting(tx, user.id)
    if told is None and waiting:
        told = Bulletin("returning", lasts=_lasts(tx, domain, waiting))
    if told is None and newest and newest[0].ended > tx.now - AFTERWARDS:
        told = Bulletin("returned")
    if told is None:
        told = Bulletin()
    if told.phase in ("returning", "returned"):
        began, ended = (newest[0].began, newest[0].ended) if newest else (0, 0)
        told = replace(told, since=began, ended=ended, missing=ledger.missing(tx, user.id))
    sums = balance.of_account(tx, user.id, told.since - SUSPICION) if told.since else _NOTHING
    return replace(told, mode=domain.mode(tx.now), opted_in=user.opt_in, sums=sums, waiting=waiting)


def _active(tx: Transaction, user: User, domain: Domain, last: Outage | None) -> Bulletin | None:
    """Why mail of this user comes here now, the strongest reason first; None where it does not."""
    mode, plan, drill = domain.mode(tx.now), domain.plan(tx.now), domain.drill
    began = last.began if last is not None and not last.ended else 0
    health = home_state.load(tx, domain.id)[domain.id][0]
    if domain.contained:
        return Bulletin("active", "contained", began or domain.contained)
    if health.state is State.DOWN:
        return Bulletin("active", "down", began or health.since)
    if plan is not None:
        return Bulletin("active", "declared", began or plan.starts, until=plan.ends)
    if mode == "enabled":
        return Bulletin("active", "declared", began, until=domain.settings.mode_until)
    if drill is not None and user.id in domain.drilled(tx.now):
        return Bulletin("active", "drill", drill.starts, until=drill.over)
    if mode == "optional" and user.opt_in:
        return Bulletin("active", "opted in")
    return None


def _lasts(tx: Transaction, domain: Domain, waiting: int) -> int | None:
    flush = progress.load(tx, [domain.id]).get(domain.id)
    return flush.lasts(waiting, tx.now) if flush is not None else None
