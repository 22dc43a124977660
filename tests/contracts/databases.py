"""The databases that the store's contract is tried on. PostgreSQL becomes one more entry of DATABASES."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mpcontinuity.model import settings
from mpcontinuity.model.clock import Clock
from mpcontinuity.store.disk import RealDisk
from mpcontinuity.store.runner import Inline
from mpcontinuity.store.store import Store, open_store
from tests.fakes.clock import SeededRandomness
from tests.fakes.stores import at_once, data_folder

Open = Callable[[Path, Clock, int], Store]


def sqlite(folder: Path, clock: Clock, seed: int) -> Store:
    return open_store(
        data_folder(folder),
        settings.Store(),
        clock=clock,
        randomness=SeededRandomness(seed),
        runner=Inline(),
        disk=RealDisk(),
        reactor_call=at_once,
    )


DATABASES: dict[str, Open] = {"sqlite": sqlite}
