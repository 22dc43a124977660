"""How operations are called from outside: by name, through the control socket of a running server or by other means."""

from __future__ import annotations

import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import msgspec

from mpcontinuity.control.operation import Progress, unheard
from mpcontinuity.control.socket import Refusal
from mpcontinuity.model.errors import Refused

_PROGRESS = b'{"progress":'


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
            refusal = msgspec.convert(reply, Refusal)
            raise Refused(refusal.refused, refusal.kind, refusal.hint)
        return reply["result"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._client.close()


class Server:
    """A server that runs, reached through its control socket."""

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
            raise Refused(f"the server stopped answering: {error.strerror}", "conflict") from None
        if not reply.endswith(b"\n"):
            raise Refused("the server stopped before it answered; look whether the change was made", "conflict")
        return reply

    def close(self) -> None:
        self._file.close()
        self._connection.close()


def connect(path: Path) -> Server | None:
    """Connects to the control socket at that path; None where nobody listens there. Raises Refused."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    except OSError as error:
        connection.close()
        raise Refused(f"{path}: {error.strerror}; run this as the user that the server runs as", "forbidden") from None
    return Server(connection)
