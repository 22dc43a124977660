"""Chores: what is done again and again without a client, from packs that have expired to counters that are shared."""

from __future__ import annotations

from functools import partial
from typing import Any

from mpcontinuity.accounts import audit, home_history, links, plans, taken, web_sessions
from mpcontinuity.accounts.failures import EVERY as SHARED_EVERY
from mpcontinuity.accounts.failures import FailureExchange
from mpcontinuity.accounts.logins import EVERY as LOGINS_EVERY
from mpcontinuity.accounts.rotation import take_over
from mpcontinuity.admin.portal import runs
from mpcontinuity.alerts import mailing, outages, tellings
from mpcontinuity.alerts.service import EVERY as ALERTS_EVERY
from mpcontinuity.alerts.telling import EVERY as TELLING_EVERY
from mpcontinuity.alerts.telling import tell_left
from mpcontinuity.app.server.accounts import Accounts
from mpcontinuity.app.server.housekeeping import Chore, Housekeeping
from mpcontinuity.app.server.mail import Mail
from mpcontinuity.archive import retention as archive_retention
from mpcontinuity.control import drill_report
from mpcontinuity.control.merging import finish_merges
from mpcontinuity.control.newcomers import forget_unused
from mpcontinuity.control.operation import Control
from mpcontinuity.control.removal import finish_removals
from mpcontinuity.delivery import answered
from mpcontinuity.delivery.relay import repair
from mpcontinuity.door.spending import SpendingExchange
from mpcontinuity.homes.user_side import EVERY as USER_SIDE_EVERY
from mpcontinuity.mailbox import conversation_upkeep, sent
from mpcontinuity.model.rations import Rations
from mpcontinuity.queue import folding, kept, outbound, vacation
from mpcontinuity.queue.holders import LOOK_EVERY, Holders
from mpcontinuity.store.election import Alone
from mpcontinuity.store.store import Store
from mpcontinuity.store.timekeeping import LOOK_EVERY as CLOCK_EVERY
from mpcontinuity.store.timekeeping import Timekeeping, guarded
from mpcontinuity.store.upkeep import generation, retention
from mpcontinuity.store.upkeep.reconcile import reconcile, repair_unrecorded
from mpcontinuity.tracking import retention as tracking_retention
from mpcontinuity.vacation.service import EVERY as VACATION_EVERY
from mpcontinuity.webhooks.service import EVERY as WEBHOOKS_EVERY
from mpcontinuity.webhooks.service import Webhooks
from mpcontinuity.writing import desk
from mpcontinuity.writing.outbox import EVERY as OUTBOX_EVERY

_OWN_EVERY = 30.0  # s between rounds of what every process does for itself


class Chores:
    """Joins the chores of one process: those that one of all processes does, and those that each does for itself."""

    def __init__(
        self,
        store: Store,
        accounts: Accounts,
        mail: Mail,
        control: Control,
        *,
        rations: Rations,
        reactor: Any,
    ) -> None:
        self._timekeeping = Timekeeping(store)
        webhooks = Webhooks(store, mail.https)
        own = partial(Housekeeping, reactor, Alone())
        self._rounds = (
            Housekeeping(reactor, store.election, _of_all(store, mail, control)),
            own(
                [
                    ("unrecorded", partial(repair_unrecorded, store, repair)),
                    ("files", partial(store.bodies.background, store.packs.leave_gone)),
                ],
                every=_OWN_EVERY,
            ),
            # The first time it takes long, and nothing waits for it.
            Housekeeping(reactor, store.election, [("older conversations", partial(conversation_upkeep.fill, store))]),
            Housekeeping(reactor, store.election, [("outages", mail.alerts.look)], every=ALERTS_EVERY),
            Housekeeping(
                reactor, store.election, [("telling", partial(tell_left, store, control.settings))], every=TELLING_EVERY
            ),
            Housekeeping(reactor, store.election, [("users' side", mail.user_side.look)], every=USER_SIDE_EVERY),
            own([("outbox", mail.outbox.look)], every=OUTBOX_EVERY),
            Housekeeping(reactor, store.election, [("vacation texts", mail.vacations.look)], every=VACATION_EVERY),
            own([("leases", Holders(store).look)], every=LOOK_EVERY),
            own([("logins", accounts.login.logins.write)], every=LOGINS_EVERY),
            Housekeeping(reactor, store.election, [("webhooks", webhooks.round)], every=WEBHOOKS_EVERY),
            own([("clock", self._timekeeping.look)], every=CLOCK_EVERY),
            own(
                [
                    ("failures", FailureExchange(store, accounts.judge.throttle).exchange),
                    ("spending", SpendingExchange(store, rations, mail.recipients).exchange),
                ],
                every=SHARED_EVERY,
            ),
        )

    async def begin(self) -> None:
        """Looks at the clock, before anything is believed of it."""
        await self._timekeeping.begin()

    def start(self) -> None:
        """Begins the first round of each."""
        for each in self._rounds:
            each.start()

    def stop(self) -> None:
        """Begins no chore any more."""
        for each in self._rounds:
            each.stop()


def _of_all(store: Store, mail: Mail, control: Control) -> list[tuple[str, Chore]]:
    """What one of all processes does at a time, in this order. Nothing goes by a clock that has jumped."""
    sweeps = [
        ("archive", archive_retention.sweep),
        ("answered", answered.sweep),
        ("taken", taken.sweep),
        ("tracking", tracking_retention.sweep),
        ("sent", sent.sweep),
        ("conversations", conversation_upkeep.sweep),
        ("drafts", desk.sweep),
        ("history", home_history.sweep),
        ("outages of long ago", outages.sweep),
        ("alerts of a day", mailing.sweep),
        ("plans", plans.sweep),
        ("links", links.sweep),
        ("sessions", web_sessions.sweep),
        ("runs", runs.sweep),
        ("tellings", tellings.sweep),
        ("audit", audit.sweep),
        ("kept", kept.sweep),
        ("ledger", folding.sweep),
        ("outbound", outbound.sweep),
        ("vacation answers", vacation.sweep),
    ]
    return [
        ("generation", partial(generation.advance, store)),
        ("reconciliation", partial(reconcile, store, repair)),
        *((name, guarded(store, partial(sweep, store))) for name, sweep in sweeps),
        ("dkim", partial(take_over, store, mail.lookup)),
        # last of those that drop something: it drops what nothing refers to any more
        ("packs", guarded(store, partial(retention.sweep, store))),
        ("drills", partial(drill_report.keep, store)),
        ("merges", partial(finish_merges, control)),
        ("removals", partial(finish_removals, control)),
        ("newcomers", guarded(store, partial(forget_unused, control))),
    ]
