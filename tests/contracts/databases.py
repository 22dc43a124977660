"""The databases that the store's contract is tried on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mpcontinuity.model.clock import Clock
from mpcontinuity.store.store import Store
from tests.fakes.stores import Chosen, open_memory_like_store

Open = Callable[[Path, Clock, int], Store]


def _open(database: str) -> Open:
    def opened(folder: Path, clock: Clock, seed: int) -> Store:
        Chosen.database = database
        return open_memory_like_store(folder, clock=clock, seed=seed)

    return opened


DATABASES: dict[str, Open] = {"sqlite": _open("sqlite"), "postgresql": _open("postgresql")}
