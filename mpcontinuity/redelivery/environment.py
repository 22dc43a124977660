"""What all flushes of a process work with, and what one of them is for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from mpcontinuity.accounts.domains import Domain
from mpcontinuity.model.randomness import Randomness
from mpcontinuity.model.reply import Verdict
from mpcontinuity.model.settings import Retry
from mpcontinuity.model.timer import Timer
from mpcontinuity.outbound.home import HomeServer
from mpcontinuity.outbound.imap.sessions import ImapSessions
from mpcontinuity.redelivery.pace import Pace, Paces
from mpcontinuity.routing.refusal import About
from mpcontinuity.store.store import Store


@dataclass(frozen=True, slots=True)
class FlushEnvironment:
    """What all flushes of a process share. The counters are metrics."""

    store: Store
    timer: Timer
    randomness: Randomness
    retry: Retry
    paces: Paces
    imap: ImapSessions | None = None  # with homes that have `home-imap`; None: all goes by SMTP
    outcomes: Counter[Verdict] = field(default_factory=Counter)  # of all attempts
    refusals: Counter[About] = field(default_factory=Counter)  # what they were about


@dataclass(slots=True)
class Task:
    """What one flush is for: to send ``home`` what is owed to the users of ``domain``.

    ``domain`` is replaced when its settings change. ``stopping``: the server stops, or the domain has another home.
    """

    environment: FlushEnvironment
    domain: Domain
    home: HomeServer
    stopping: bool = False

    @property
    def halted(self) -> bool:
        """Whether nothing may be sent: we stop, or an outage is declared."""
        return self.stopping or not self.domain.sends_home(self.environment.store.clock.now())

    @property
    def spared(self) -> frozenset[int]:
        """The accounts to which nothing is sent at home now, because an outage is played for them."""
        return self.domain.drilled(self.environment.store.clock.now())

    @property
    def pace(self) -> Pace:
        """The pace at which home is sent to, which it shares with the flushes of its other domains."""
        return self.environment.paces.of(self.home)

    async def in_steps(self, work: Callable[..., int], step: int) -> None:
        """Runs ``work(tx, domain=…)`` in the bulk lane, again and again while it changes ``step`` rows, or more."""
        while await self.environment.store.run(partial(work, domain=self.domain.id), bulk=True) >= step:
            pass
