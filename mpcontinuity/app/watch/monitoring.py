"""The pages for those who watch the server: /metrics, /healthz, /readyz, from before it serves until it has ended."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from mpcontinuity.app.listening.listeners import listen
from mpcontinuity.app.watch.health import Acceptor, Health
from mpcontinuity.app.watch.lag import Lag, Turns
from mpcontinuity.app.watch.metrics import Metrics, Sources
from mpcontinuity.app.watch.overview import Overview
from mpcontinuity.model.settings import Settings
from mpcontinuity.store.store import Store
from mpcontinuity.web.pages import PageSite

# A monitor or two and a balancer, each with a connection for some seconds; they count for no other limit, so that a
# flood at the doors can still be seen.
_CONNECTIONS: Final = 32


class Monitoring:
    """Measures the reactor, looks at the store, and serves what it finds at the endpoints of [listen] metrics."""

    def __init__(self, settings: Settings, store: Store, reactor: Any, doors: Acceptor, sources: Sources) -> None:
        """``doors`` says whether clients are let in; ``sources`` are the counters of the parts."""
        self._settings = settings
        self._reactor = reactor
        self._ports: list[Any] = []
        self._spare = sources.spare
        self._begun = False
        self._lag = Lag(reactor)
        self._turns = Turns(reactor)
        overview = Overview(store, reactor, lambda: store.packs.disk.free(store.packs.folder))
        self._health = Health(
            store, doors, overview, reactor, floor=settings.limits.free_space, begun=lambda: self._begun
        )
        metrics = Metrics(sources, store, overview, self._lag, self._turns, reactor)
        pages = {b"/metrics": metrics.page, b"/healthz": self._health.live_page, b"/readyz": self._health.ready_page}
        self._site = PageSite(pages, reactor, connections=_CONNECTIONS)

    def bind(self) -> None:
        """Listens, and serves as soon as the reactor runs. Raises BadConfiguration."""
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
        """Says from now on that the server is ready: its doors are open."""
        self._begun = True

    def end(self) -> None:
        """Says from now on that the server is not ready: a balancer hears it before the doors close."""
        self._health.stopping = True

    async def close(self) -> None:
        """Ends the pages, after everything else."""
        self._lag.stop()
        self._turns.stop()
        for port in self._ports:
            await port.stopListening()
        self._site.stop()
