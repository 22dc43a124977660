"""How a command reaches the store: by the control socket of a running server, or by opening it itself."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from twisted.internet.defer import Deferred, succeed

from mpcontinuity.accounts.passwords import Passwords
from mpcontinuity.children.blocking import Blocking
from mpcontinuity.control import client
from mpcontinuity.control.caller import THE_SERVER
from mpcontinuity.control.changes import to_syslog
from mpcontinuity.control.client import ControlClient
from mpcontinuity.control.operation import Control, Progress
from mpcontinuity.control.socket import SOCKET, answer, named, place
from mpcontinuity.model.clock import SystemClock
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.hosts import listeners
from mpcontinuity.model.randomness import SystemRandomness
from mpcontinuity.model.settings import Settings
from mpcontinuity.store.disk import RealDisk
from mpcontinuity.store.lock import held
from mpcontinuity.store.runner import Inline
from mpcontinuity.store.store import open_store

T = TypeVar("T")

_PATIENCE = 5.0  # s for a server that starts or stops: it has the lock, but no socket


def connect(settings: Settings, by: str, *, patience: float = _PATIENCE) -> ControlClient:
    """Returns a way to call operations: through the control socket where a server runs, else on the store opened here.

    ``by`` is who asks. ``patience`` is how many seconds a server that starts or stops is waited for: it has the lock of
    the data folder, but no socket. Raises Refused where neither way is open.
    """
    folder = Path(settings.data_dir)
    until = time.monotonic() + patience
    while True:
        server = client.connect(place(folder))
        if server is not None:
            return ControlClient(server, by)
        if settings.store.database != "sqlite":  # which other processes may have open
            return ControlClient(_StoreChannel(settings), by)
        if not held(folder):
            try:
                return ControlClient(_StoreChannel(settings), by)
            except Refused:
                if not held(folder):  # else somebody was faster
                    raise
        if time.monotonic() > until:
            raise Refused(
                f"{folder} is in use by another process that does not answer on {SOCKET}; try again", "conflict"
            )
        time.sleep(0.1)


class _StoreChannel:
    """The store itself, opened where no server runs. All happens in this thread."""

    running = False

    def __init__(self, settings: Settings) -> None:
        clock, randomness = SystemClock(), SystemRandomness()
        self._jobs = Blocking()
        self._store = open_store(
            Path(settings.data_dir),
            settings.store,
            clock=clock,
            randomness=randomness,
            runner=Inline(),
            disk=RealDisk(),
            reactor_call=_at_once,
        )
        self._control = Control(
            self._store,
            settings,
            Passwords(settings.password.scheme),
            _compute,
            randomness,
            lambda: listeners(settings.listen),
            caller=msgspec.structs.replace(THE_SERVER, origin=f"command line, {named(os.getuid())}"),
            note=to_syslog,
            jobs=self._jobs,
        )

    def ask(self, line: bytes, progress: Progress) -> bytes:
        return _result(Deferred.fromCoroutine(answer(self._control, line, progress)))

    def close(self) -> None:
        self._jobs.stop()
        _result(self._store.close())


def _at_once(call: Callable[..., Any], *arguments: Any) -> None:
    call(*arguments)


def _compute(work: Callable[[], T], /) -> Awaitable[T]:
    return succeed(work())


def _result(deferred: Deferred[T]) -> T:
    """Of a Deferred that has fired, because nothing runs elsewhere."""
    results: list[T] = []
    failures: list[BaseException] = []
    deferred.addCallbacks(results.append, lambda failure: failures.append(failure.value))
    if failures:
        raise failures[0]
    return results[0]
