"""A program at the API of a real store: it sends requests, octet by octet, and reads answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mpcontinuity.accounts.administrator_login import AdministratorLogin
from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.user_login import UserLogin
from mpcontinuity.admin.api.services import ApiServices
from mpcontinuity.admin.api.site import routes
from mpcontinuity.control.live import Live
from mpcontinuity.control.operation import Control
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.model.rations import Rations
from mpcontinuity.model.settings import Limits
from mpcontinuity.web.routes import RoutedSite
from tests.fakes.clock import ManualClock
from tests.fakes.judging import Court
from tests.fakes.stores import result
from tests.web.test_pages import Transport


@dataclass
class Said:
    """An answer: its status code, its header fields in lower case, and its body."""

    code: int
    fields: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def kind(self) -> str:
        """Of a problem; empty for what is none."""
        return str(self.json["kind"]) if self.fields["content-type"] == "application/problem+json" else ""


class Api:
    """The API as it is served, with tokens by the names of those who have them."""

    def __init__(self, control: Control, clock: ManualClock) -> None:
        self.clock = clock
        self.court = Court(clock, control.passwords)
        store = control.store
        self.administrators = AdministratorLogin(store, self.court.judge)
        self.users = UserLogin(store, Directory(store), self.court.judge)
        self.control = replace(control, administrator_login=lambda: self.administrators)
        timer: Any = clock
        self.live = Live(store, timer)
        services = ApiServices(
            control=self.control, administrators=self.administrators, users=self.users, live=self.live, timer=timer
        )
        self.routes = routes(services)
        limits = Limits(connections_per_host=10**6)
        self.site = RoutedSite(self.routes, timer, Rations(limits, clock.seconds), most=1 << 30)
        self.tokens: dict[str, str] = {}
        self._channels: list[Any] = []

    def make_token(self, name: str, **arguments: Any) -> str:
        made = result(OPERATIONS["admin token"](self.control, {"name": name, **arguments}))
        self.tokens[name] = made.token
        return str(made.token)

    def end(self) -> None:
        """Ends all connections: a stream that is left to the garbage collector ends in the middle of something else."""
        for channel in self._channels:
            if channel in self.site.connections:
                channel.connectionLost()

    def send(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> tuple[Any, Any]:
        """Sends a request, and returns the channel with its transport."""
        channel = self.site.buildProtocol(None)
        self._channels.append(channel)
        transport: Any = Transport()
        channel.makeConnection(transport)
        lines = {"Host": "api.example", "Content-Length": str(len(body)), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        channel.dataReceived(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + body)
        return channel, transport

    def ask(
        self,
        method: str,
        path: str,
        given: Any = None,
        /,
        *,
        by: str = "rita",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Said:
        """Asks in the name of somebody who has a token; ``given`` is the JSON of the body."""
        lines = {"Authorization": f"Bearer {self.tokens[by]}"} if by else {}
        octets = body if body is not None else b"" if given is None else json.dumps(given).encode()
        if octets:
            lines["Content-Type"] = "application/json"
        target = path if path.startswith("/") else f"/api/v1/{path}"
        _, transport = self.send(method, target, {**lines, **(headers or {})}, octets)
        return read(transport.value())


def read(octets: bytes) -> Said:
    """An answer as it came; its code is 0 where the connection was cut instead."""
    if not octets:
        return Said(0, {}, b"")
    head, _, body = octets.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if fields.get("transfer-encoding") == "chunked":
        body = _joined(body)
    return Said(int(status.split()[1]), fields, body)


def _joined(chunks: bytes) -> bytes:
    found = b""
    while chunks:
        size, _, chunks = chunks.partition(b"\r\n")
        length = int(size, 16)
        found, chunks = found + chunks[:length], chunks[length + 2 :]
    return found
