"""A real store on a temporary folder, without threads: every Deferred it gives has fired already."""

from __future__ import annotations

import functools
import shutil
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from mpcontinuity.model import settings
from mpcontinuity.model.clock import Clock
from mpcontinuity.store.bodies.draft import Room
from mpcontinuity.store.disk import Disk, RealDisk
from mpcontinuity.store.driver import Driver
from mpcontinuity.store.postgresql.driver import PostgresqlDriver
from mpcontinuity.store.runner import Inline
from mpcontinuity.store.sqlite.driver import DATABASE
from mpcontinuity.store.sqlite.upgrade import upgrade
from mpcontinuity.store.store import Store, open_store
from tests.fakes import postgresql
from tests.fakes.clock import ManualClock, SeededRandomness

T = TypeVar("T")

_openings: Counter[Path] = Counter()


class Chosen:
    """The kind of database that stores are opened on now, and those on PostgreSQL by the folder they belong to."""

    database = "sqlite"  # set by tests/conftest.py
    messages = "files"  # and this
    urls: dict[Path, str] = {}  # noqa: RUF012

    @classmethod
    def drop(cls) -> None:
        """After a test."""
        for url in cls.urls.values():
            postgresql.cluster().give_back(url)
        cls.urls.clear()


@functools.cache
def empty_database() -> Path:
    """Migrated once per test run, then copied."""
    path = Path(tempfile.mkdtemp(prefix="mpcontinuity-schema-")) / DATABASE
    upgrade(path)
    return path


def at_once(call: Callable[..., Any], *args: Any) -> None:
    """A ``reactor_call`` for one thread."""
    call(*args)


def data_folder(tmp_path: Path) -> Path:
    """A data folder with an empty database, unless it is there already."""
    folder = tmp_path / "data"
    folder.mkdir(exist_ok=True)
    if Chosen.database == "postgresql":
        if folder not in Chosen.urls:
            Chosen.urls[folder] = postgresql.fresh_database()
        return folder
    if not (folder / DATABASE).exists():
        shutil.copy(empty_database(), folder / DATABASE)
    return folder


def open_memory_like_store(
    tmp_path: Path,
    *,
    clock: Clock | None = None,
    seed: int | None = None,
    disk: Disk | None = None,
    driver: Driver | None = None,
    room: Room | None = None,
    messages: str | None = None,
) -> Store:
    """The store in ``tmp_path``/data, made or opened again. ``store.clock`` is the ManualClock.

    Without ``seed`` each opening of a folder has its own, so that ids differ although time stands still.
    """
    _openings[tmp_path] += 1
    folder = data_folder(tmp_path)
    clock = clock or ManualClock()
    chosen = settings.Store(messages=messages or Chosen.messages)
    if folder in Chosen.urls and driver is None:
        chosen = settings.Store(database=Chosen.urls[folder], messages=chosen.messages)
        driver = PostgresqlDriver(chosen.database, clock=clock)
    return open_store(
        folder,
        chosen,
        clock=clock,
        randomness=SeededRandomness(_openings[tmp_path] if seed is None else seed),
        runner=Inline(),
        disk=disk or RealDisk(),
        driver=driver,
        room=room or Room(floor=0),
        reactor_call=at_once,
    )


def result(awaitable: Awaitable[T]) -> T:
    """What a Deferred or coroutine that needs no waiting has come to; raises what it failed with."""
    deferred = awaitable if isinstance(awaitable, Deferred) else Deferred.fromCoroutine(awaitable)  # type: ignore[arg-type]
    results: list[T] = []
    failures: list[Any] = []
    deferred.addCallbacks(results.append, failures.append)
    if failures:
        failures[0].raiseException()
    assert results, "it has not fired yet"
    return results[0]
