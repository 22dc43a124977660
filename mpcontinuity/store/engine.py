"""What executes transactions: one writer thread on SQLite, a pool of connections on PostgreSQL (design 5 and 6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
    """A part of an engine that has threads of its own."""

    def stop(self, stopped: Callable[[], None]) -> None:
        """Ends what was begun and takes nothing more, then calls ``stopped``, from any thread."""
        ...


class EngineCallbacks(Protocol):
    """What an engine calls in the store, from any thread."""

    def prelude(self, tx: Transaction) -> Callable[[], None] | None:
        """Takes part in the transaction at the begin of every commit; what it returns is called after that commit."""
        ...

    def settle(self, jobs: Sequence[Job]) -> None:
        """Takes jobs whose fate is known: each has its value or its error."""
        ...

    def heard(self, notices: Sequence[Notice]) -> None:
        """Takes what other processes announced; called in the reactor thread."""
        ...


class Engine(Protocol):
    """What a store asks of its database: work to be done in transactions, readers, and an election."""

    readers: Readers
    election: Election
    stages: Sequence[Stage]  # stopped in this order
    steady: Steady | None  # the clock that transactions go by, where it is not the one of `EngineSetup`

    def submit(self, *jobs: Job) -> None:
        """Takes work, from any thread. Raises Stopping once the engine stops."""
        ...

    def waiting(self) -> int:
        """Returns how many pieces of work nobody has begun."""
        ...

    def close(self) -> None:
        """Closes all connections, after all stages have stopped."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSetup:
    """What every engine is made with. ``reactor_call`` runs a function in the reactor thread, soon."""

    clock: Clock
    identifiers: Identifiers
    randomness: Randomness
    runner: Runner
    figures: Figures
    reactor_call: Callable[..., None]
    callbacks: EngineCallbacks
