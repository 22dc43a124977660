"""The pages for those who watch the server: /metrics, /healthz, /readyz, from before it serves until it has ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from mpcontinuity.app.listening.listeners import listen
from mpcontinuity.app.watch.health import Health
from mpcontinuity.app.watch.lag import Lag, Turns
from mpcontinuity.app.watch.metrics import Metrics, Sources
from mpcontinuity.app.watch.overview import Overview
from mpcontinuity.model.clock import LASTED
from mpcontinuity.model.reply import Verdict
from mpcontinuity.model.settings import Settings
from mpcontinuity.routing.refusal import About
from mpcontinuity.web.pages import PageSite

if TYPE_CHECKING:
    from mpcontinuity.app.server.parts import Parts

# A monitor or two and a balancer, each with a connection for some seconds; they count for no other limit, so that a
# flood at the doors can still be seen.
_CONNECTIONS: Final = 32

_ATTEMPTS: Final = {
    Verdict.ACCEPTED: "delivered",
    Verdict.REFUSED: "refused",
    Verdict.TEMPORARY: "deferred",
    Verdict.FAILED: "unanswered",
    Verdict.DOUBTFUL: "in doubt",
}


class Watching:
    def __init__(self, parts: Parts, settings: Settings, reactor: Any, doors: Mapping[str, Callable[[], int]]) -> None:
        """``doors``: the connections that each has now."""
        self._settings = settings
        self._reactor = reactor
        self._ports: list[Any] = []
        self._spare = parts.descriptors.spare
        self._begun = False
        store = parts.store
        self._lag = Lag(reactor)
        self._turns = Turns(reactor)
        overview = Overview(store, reactor, lambda: store.packs.disk.free(store.packs.folder))
        self.health = Health(
            store,
            parts.gatekeeper,
            overview,
            reactor,
            floor=settings.limits.free_space,
            begun=lambda: self._begun,
        )
        attempts, sent = parts.redeliveries, parts.sending.outcomes
        metrics = Metrics(
            Sources(
                figures=store.figures,
                overview=overview,
                lag=self._lag,
                turns=self._turns,
                clock=store.clock,
                timer=reactor,
                open=doors,
                accepted=parts.gatekeeper.accepted,
                turned_away=lambda: parts.gatekeeper.turned_away,
                over=parts.gatekeeper.rations.over,
                messages=parts.delivery.outcomes,
                unrecorded=lambda: parts.delivery.unrecorded,
                redeliveries=lambda: {name: attempts[verdict] for verdict, name in _ATTEMPTS.items()},
                refusals=lambda: {about.value: parts.refusals[about] for about in About},
                outbound=lambda: {name: sent[verdict] for verdict, name in _ATTEMPTS.items()},
                aside=lambda: parts.sending.dispatch.aside,
                reports=parts.reports.counts,
                unchecked=lambda: parts.verdicts.skipped,
                died=lambda: parts.children.died,
                logins=parts.login.outcomes,
                homes=parts.homes.all,
                trusts_time=partial(store.trusts_time, LASTED),
                certificate_expires=lambda: parts.certificate.expires,
                spare=parts.descriptors.spare,
            )
        )
        pages = {b"/metrics": metrics.page, b"/healthz": self.health.live_page, b"/readyz": self.health.ready_page}
        self._site = PageSite(pages, reactor, connections=_CONNECTIONS)

    def bind(self) -> None:
        """Raises BadConfiguration."""
        self._ports = [
            listen(self._reactor, "metrics", endpoint, self._site) for endpoint in self._settings.listen.metrics
        ]
        for port in self._ports:
            port.doRead = partial(self._accept, port.doRead)

    def _accept(self, accept: Callable[[], object]) -> None:
        """Where every descriptor is taken, who watches gets one of the spare ones."""
        with self._spare():
            accept()

    def begin(self) -> None:
        """The doors are open."""
        self._begun = True

    def end(self) -> None:
        """The stop begins: a balancer is told before the doors close."""
        self.health.stopping = True

    async def close(self) -> None:
        """After everything else."""
        self._lag.stop()
        self._turns.stop()
        for port in self._ports:
            await port.stopListening()
        self._site.close()
