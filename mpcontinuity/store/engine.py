"""What executes transactions: one writer thread on SQLite, a pool of connections on PostgreSQL (design 5 and 6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from mpcontinuity.model.clock import Clock, Steady
from mpcontinuity.model.events import Notice
from mpcontinuity.model.identifier import Identifiers
from mpcontinuity.model.randomness import Randomness
from mpcontinuity.store.election import Election
from mpcontinuity.store.figures import Figures
from mpcontinuity.store.job import Job
from mpcontinuity.store.readers import Readers
from mpcontinuity.store.runner import Runner
from mpcontinuity.store.transaction import Transaction


class Stage(Protocol):
    def stop(self, stopped: Callable[[], None]) -> None: ...


class Upwards(Protocol):
    """What an engine tells the store, from any thread."""

    def prelude(self, tx: Transaction) -> Callable[[], None] | None:
        """Begins every commit; what it returns is called once that commit is done."""
        ...

    def settle(self, jobs: Sequence[Job]) -> None:
        """The fate of these jobs is known."""
        ...

    def heard(self, notices: Sequence[Notice]) -> None:
        """Other processes announced this; called in the reactor thread."""
        ...


class Engine(Protocol):
    readers: Readers
    election: Election
    stages: Sequence[Stage]  # stopped in this order
    steady: Steady | None  # the clock that transactions go by, where it is not the one of `Means`

    def submit(self, *jobs: Job) -> None: ...

    def waiting(self) -> int:
        """Pieces of work that nobody has begun."""
        ...

    def close(self) -> None:
        """After all stages have stopped."""
        ...


class Means:
    """What every engine is made with."""

    __slots__ = ("clock", "figures", "identifiers", "randomness", "reactor_call", "runner", "upwards")

    def __init__(
        self,
        *,
        clock: Clock,
        identifiers: Identifiers,
        randomness: Randomness,
        runner: Runner,
        figures: Figures,
        reactor_call: Callable[..., None],
        upwards: Upwards,
    ) -> None:
        self.clock = clock
        self.identifiers = identifiers
        self.randomness = randomness
        self.runner = runner
        self.figures = figures
        self.reactor_call = reactor_call
        self.upwards = upwards
