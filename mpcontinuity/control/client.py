"""How operations are called from outside: by name, through the control socket of a running server or by other means."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import msgspec

from mpcontinuity.control.arguments import PAGE
from mpcontinuity.control.operation import Progress, unheard
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.control.socket import Refusal
from mpcontinuity.model.errors import Refused

_PROGRESS = b'{"progress":'


class Channel(Protocol):
    """A way to a store's operations: through a server that runs, or on a store that was opened for it."""

    running: bool  # whether a server answers

    def ask(self, line: bytes, progress: Progress) -> bytes:
        """Sends a request and returns the reply to it, each a line of JSON (control/socket.py).

        ``progress`` hears what comes before the reply. Raises Refused where there is none.
        """
        ...

    def close(self) -> None:
        """Ends the connection to the server, or closes the store that was opened instead."""
        ...


class ControlClient:
    """Calls operations by their names. As a context manager it closes its channel at the end."""

    def __init__(self, channel: Channel, by: str) -> None:
        """``by`` is the name of who asks."""
        self._channel = channel
        self._by = by

    @property
    def running(self) -> bool:
        """Whether a server does the operations."""
        return self._channel.running

    def call(self, operation: str, *, progress: Progress = unheard, **arguments: Any) -> Any:
        """Returns the result of the operation as values of JSON; arguments that are None are left out.

        ``progress`` hears what a long operation says before its end. Raises Refused.
        """
        given = {name: value for name, value in arguments.items() if value is not None}
        try:
            line = msgspec.json.encode({"operation": operation, "arguments": given, "by": self._by})
        except UnicodeEncodeError:  # it is not repeated: it may be a password
            raise Refused("what was given is not UTF-8 text") from None
        return _result(self._channel.ask(line, progress))

    def pages(self, operation: str, **arguments: Any) -> Iterator[list[Any]]:
        """Calls an operation that lists, once for each page of its rows. Raises Refused."""
        after: str | None = None
        while rows := self.call(operation, after=after, **arguments):
            yield rows
            if len(rows) < PAGE:
                return
            after = OPERATIONS[operation].after(rows[-1])

    def rows(self, operation: str, **arguments: Any) -> list[Any]:
        """Returns all rows of an operation that lists. Raises Refused."""
        return [row for page in self.pages(operation, **arguments) for row in page]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._channel.close()


def _result(reply: bytes) -> Any:
    """What the reply gives. Raises Refused, also for a reply of a server whose version is another one."""
    try:
        answer = msgspec.json.decode(reply)
    except msgspec.MsgspecError:
        answer = None
    if isinstance(answer, dict) and "result" in answer:
        return answer["result"]
    try:
        refusal = msgspec.convert(answer, Refusal)
    except msgspec.ValidationError:
        text = answer.get("refused") if isinstance(answer, dict) else None
        unread = "the server's answer cannot be read; is its version another one?"
        raise Refused(text if isinstance(text, str) else unread, "conflict") from None
    raise Refused(refusal.refused, refusal.kind, refusal.hint, refusal.field)


class ServerChannel:
    """The control socket of a server that runs."""

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


def connect(path: Path) -> ServerChannel | None:
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
    return ServerChannel(connection)
