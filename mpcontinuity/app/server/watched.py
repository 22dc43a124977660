"""Counters of the parts, gathered for those who watch the server."""

from __future__ import annotations

from functools import partial
from typing import Final

from mpcontinuity.app.listening.certificate import Certificate
from mpcontinuity.app.listening.descriptors import Descriptors
from mpcontinuity.app.listening.gatekeeper import Gatekeeper
from mpcontinuity.app.server.accounts import Accounts
from mpcontinuity.app.server.doors import Doors
from mpcontinuity.app.server.mail import Mail
from mpcontinuity.app.watch.metrics import Sources
from mpcontinuity.model.clock import LASTED
from mpcontinuity.model.reply import Verdict
from mpcontinuity.routing.refusal import About
from mpcontinuity.store.store import Store

_ATTEMPTS: Final = {
    Verdict.ACCEPTED: "delivered",
    Verdict.REFUSED: "refused",
    Verdict.TEMPORARY: "deferred",
    Verdict.FAILED: "unanswered",
    Verdict.DOUBTFUL: "in doubt",
}


def sources(
    store: Store,
    accounts: Accounts,
    mail: Mail,
    doors: Doors,
    *,
    gatekeeper: Gatekeeper,
    certificate: Certificate,
    descriptors: Descriptors,
) -> Sources:
    """Gives the counters of all parts under the names of the metrics."""
    redeliveries, sent = mail.redeliveries, mail.outbound.outcomes
    return Sources(
        open=doors.connections,
        accepted=gatekeeper.accepted,
        turned_away=lambda: gatekeeper.turned_away,
        over=gatekeeper.rations.over,
        messages=mail.delivery.outcomes,
        unrecorded=lambda: mail.delivery.unrecorded,
        redeliveries=lambda: {name: redeliveries[verdict] for verdict, name in _ATTEMPTS.items()},
        refusals=lambda: {about.value: mail.refusals[about] for about in About},
        outbound=lambda: {name: sent[verdict] for verdict, name in _ATTEMPTS.items()},
        parked=lambda: mail.outbound.dispatch.parked,
        reports=mail.reports.counts,
        unchecked=lambda: mail.verdicts.skipped,
        died=lambda: mail.children.died + mail.readers.died,
        indexed=lambda: mail.indexer.indexed,
        logins=accounts.login.outcomes,
        administrator_logins={
            "password": accounts.administrator_login.outcomes,
            "code": accounts.administrator_login.code_outcomes,
            "token": accounts.administrator_login.token_outcomes,
        },
        homes=mail.homes.all,
        trusts_time=partial(store.trusts_time, LASTED),
        certificate_expires=lambda: certificate.expires,
        spare=descriptors.spare,
    )
