"""How a command reaches the store: by the control socket of a running server, or by opening it itself."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import msgspec
from twisted.internet.defer import Deferred, succeed

from mpcontinuity.accounts.passwords import Passwords
from mpcontinuity.control.caller import THE_SERVER
from mpcontinuity.control.changes import to_syslog
from mpcontinuity.control.operation import Control, Progress, unheard
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

_PROGRESS = b'{"progress":'
_PATIENCE = 5.0  # s for a server that starts or stops: it has the lock, but no socket


class Client(Protocol):
    """Either way to the store."""

    running: bool  # whether a server answers

    def ask(self, line: bytes, progress: Progress) -> bytes: ...

    def close(self) -> None: ...


class Caller:
    """Calls operations by name; a context manager."""

    def __init__(self, client: Client, by: str) -> None:
        self._client = client
        self._by = by

    @property
    def running(self) -> bool:
        return self._client.running

    def call(self, operation: str, *, progress: Progress = unheard, **arguments: Any) -> Any:
        """The result. Raises Refused. ``progress`` hears what a long operation says before its end."""
        given = {name: value for name, value in arguments.items() if value is not None}
        line = msgspec.json.encode({"operation": operation, "arguments": given, "by": self._by})
        reply = msgspec.json.decode(self._client.ask(line, progress))
        if "refused" in reply:
            raise Refused(reply["refused"])
        return reply["result"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._client.close()


class _Server:
    """Through the socket."""

    running = True

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._file = connection.makefile("rb")

    def ask(self, line: bytes, progress: Progress) -> bytes:
        try:
            self._connection.sendall(line + b"\n")
            while (reply := self._file.readline()).startswith(_PROGRESS) and reply.endswith(b"\n"):
                progress(msgspec.json.decode(reply)["progress"])
        except OSError as error:
            raise Refused(f"the server stopped answering: {error.strerror}") from None
        if not reply.endswith(b"\n"):
            raise Refused("the server stopped before it answered; look whether the change was made")
        return reply

    def close(self) -> None:
        self._file.close()
        self._connection.close()


class _Alone:
    """No server runs: the store is ours, and all happens in this thread."""

    running = False

    def __init__(self, settings: Settings) -> None:
        clock, randomness = SystemClock(), SystemRandomness()
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
        )

    def ask(self, line: bytes, progress: Progress) -> bytes:
        return _result(Deferred.fromCoroutine(answer(self._control, line, progress)))

    def close(self) -> None:
        _result(self._store.close())


def connect(settings: Settings, by: str, *, patience: float = _PATIENCE) -> Caller:
    """Raises Refused where neither way is open."""
    folder = Path(settings.data_dir)
    until = time.monotonic() + patience
    while True:
        server = _connect(place(folder))
        if server is not None:
            return Caller(server, by)
        if settings.store.database != "sqlite":  # which other processes may have open
            return Caller(_Alone(settings), by)
        if not held(folder):
            try:
                return Caller(_Alone(settings), by)
            except Refused:
                if not held(folder):  # else somebody was faster
                    raise
        if time.monotonic() > until:
            raise Refused(f"{folder} is in use by another process that does not answer on {SOCKET}; try again")
        time.sleep(0.1)


def _connect(path: Path) -> _Server | None:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    except OSError as error:
        connection.close()
        raise Refused(f"{path}: {error.strerror}; run this as the user that the server runs as") from None
    return _Server(connection)


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
