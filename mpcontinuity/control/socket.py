"""The control socket: ``data_dir/control.sock``, a JSON object per line and request, one per answer, in order.

Request: ``{"operation": "domain show", "arguments": {"name": "example.org"}, "by": "root"}``.
Answer: ``{"result": …}``, or ``{"refused": "one line", "kind": …, "hint": …, "field": …}`` as in model/errors.py; a
long operation says ``{"progress": …}`` before, any number of lines. Whoever can open the socket is an administrator of
all domains: its folder is 0700, the socket 0600.
"""

from __future__ import annotations

import os
import pwd
import socket
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IPushProducer
from twisted.internet.protocol import Factory, connectionDone
from twisted.logger import Logger
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from zope.interface import implementer

from mpcontinuity.control.operation import Control, Progress, reason, unheard
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.model.errors import Hint, Kind, Refused, Stopping, Temporary
from mpcontinuity.model.timer import Alarm, Timer
from mpcontinuity.model.visible import visible

SOCKET = "control.sock"
MOST = 64  # connections at a time; what opens more, or says nothing on them, has a fault
FIRST_WITHIN = 30.0  # s from the connection to a request
NEXT_WITHIN = 600.0  # s from an answer to the next one: a command may read a long file meanwhile
_LONGEST_PATH = 107  # sun_path of unix(7)
_LONGEST_NAME = 64  # of who asks: it is kept with what they did

_log = Logger()


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request at the control socket. ``by`` is the name under which whoever asks wants to be noted."""

    operation: str
    arguments: dict[str, Any] = {}
    by: str = "an administrator"


class Refusal(msgspec.Struct, frozen=True):
    """The answer to a request that is refused: a ``Refused`` as it goes over the wire."""

    refused: str
    kind: Kind
    hint: Hint | None = None
    field: str = ""


_request = msgspec.json.Decoder(Request)


def place(folder: Path) -> Path:
    """Returns the path of the socket in a data folder. Raises Refused for a folder whose path is too long for one."""
    path = folder / SOCKET
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise Refused(f"data_dir: {folder}: is too long for the path of a socket in it; choose a shorter one")
    return path


async def answer(control: Control, line: bytes, progress: Progress = unheard) -> bytes:
    """Answers a request, a line of JSON, by another one without its end; never raises.

    ``progress`` hears what a long operation says meanwhile.
    """
    try:
        request = _request.decode(line)
        operation = OPERATIONS.get(request.operation)
        if operation is None:
            raise Refused(f"{request.operation}: this server has no such operation; is its version older?", "unknown")
    except Refused as error:
        return msgspec.json.encode(Refusal(str(error), error.kind))
    except (
        msgspec.MsgspecError,
        UnicodeDecodeError,
        RecursionError,
    ) as error:  # what is deeply nested exhausts the stack
        return msgspec.json.encode(Refusal(str(error), "invalid"))
    caller = msgspec.structs.replace(control.caller, name=visible(request.by)[:_LONGEST_NAME])
    try:
        result = await operation(replace(control, caller=caller, progress=progress), request.arguments)
        return msgspec.json.encode({"result": result})
    except Refused as error:
        return msgspec.json.encode(Refusal(reason(error), error.kind, error.hint, error.field))
    except (Temporary, Stopping) as error:
        return msgspec.json.encode(Refusal(reason(error), "conflict"))
    except Exception as error:
        if not isinstance(error, msgspec.MsgspecError):
            _log.failure("control operation failed")
        return msgspec.json.encode(Refusal(reason(error), "conflict"))


def _peer(transport: Any) -> str:
    """What the kernel says of who is at the other end, who may say anything of themselves."""
    connection = getattr(transport, "socket", None)
    if connection is None or not hasattr(socket, "SO_PEERCRED"):
        return "control socket"
    size = struct.calcsize("3i")
    _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return f"control socket, {named(user)}"


def named(user: int) -> str:
    """Names a user of the system by number and, where they have one, by name."""
    try:
        return f"uid {user} ({pwd.getpwuid(user).pw_name})"
    except KeyError:
        return f"uid {user}"


@implementer(IPushProducer)
class _Outflow:
    """Says when a client has taken what was written, so that a long answer does not gather in memory."""

    def __init__(self) -> None:
        self._full: Deferred[None] | None = None
        self._gone = False

    def pauseProducing(self) -> None:  # noqa: N802
        if self._full is None:
            self._full = Deferred()

    def resumeProducing(self) -> None:  # noqa: N802
        full, self._full = self._full, None
        if full is not None:
            full.callback(None)

    def stopProducing(self) -> None:  # noqa: N802
        self._gone = True
        self.resumeProducing()

    async def drained(self) -> None:
        """Ends when there is room for more. Raises Refused where the client is gone."""
        if self._full is not None:
            await self._full
        if self._gone:
            raise Refused("whoever asked is gone", "conflict")


class ControlProtocol(LineReceiver):
    """One client. Requests on a connection are answered one after the other; it is not read meanwhile."""

    factory: ControlFactory
    transport: Any
    delimiter = b"\n"
    MAX_LENGTH = 4 * 1024 * 1024  # as many ids as a command line takes; each piece that comes copies the line so far

    def __init__(self, control: Control, timer: Timer) -> None:
        self._control = control
        self._timer = timer
        self._alarm: Alarm | None = None

    def connectionMade(self) -> None:  # noqa: N802
        self.factory.open.add(self)
        caller = msgspec.structs.replace(self._control.caller, origin=_peer(self.transport))
        self._control = replace(self._control, caller=caller)
        self._await(FIRST_WITHIN)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        self.factory.open.discard(self)
        self._heard()

    def lineReceived(self, line: bytes) -> None:  # noqa: N802
        self._heard()
        self.pauseProducing()  # type: ignore[no-untyped-call]  # lines that came with it wait too
        Deferred.fromCoroutine(self._answer(line))

    async def _answer(self, line: bytes) -> None:
        outflow = _Outflow()
        self.transport.registerProducer(outflow, True)
        said = await answer(replace(self._control, drained=outflow.drained), line, self._progress)
        self.transport.unregisterProducer()
        if self in self.factory.open:
            self.sendLine(said)  # type: ignore[no-untyped-call]
            self._await(NEXT_WITHIN)
            self.resumeProducing()  # type: ignore[no-untyped-call]

    def _await(self, seconds: float) -> None:
        self._alarm = self._timer.callLater(seconds, self.transport.abortConnection)

    def _heard(self) -> None:
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()

    def _progress(self, said: Any) -> None:
        if self in self.factory.open:
            self.sendLine(msgspec.json.encode({"progress": said}))  # type: ignore[no-untyped-call]


class ControlFactory(Factory):
    """Makes the connections of the control socket, and ends them when the server stops."""

    noisy = False

    def __init__(self, control: Control, timer: Timer) -> None:
        self.open: set[ControlProtocol] = set()
        self._control = control
        self._timer = timer

    def buildProtocol(self, addr: IAddress | None) -> ControlProtocol | None:  # type: ignore[override]  # noqa: N802
        if len(self.open) >= MOST:
            return None
        protocol = ControlProtocol(self._control, self._timer)
        protocol.factory = self
        return protocol
