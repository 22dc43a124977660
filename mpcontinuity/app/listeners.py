"""Listeners: endpoint strings turned into ports, and when they accept."""

from __future__ import annotations

import resource
import socket
from collections import Counter
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory, ServerFactory
from twisted.logger import Logger

from mpcontinuity.app import proxied
from mpcontinuity.config.read import BadConfiguration
from mpcontinuity.model import hosts
from mpcontinuity.model.limits import ConnectionLimits
from mpcontinuity.model.settings import Limits, Listen

SERVED = ("smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s", "metrics")

_BACKLOG = 1024
_FREE_PORTS = 1024  # from here on anybody may listen
OWN_FILES = 512  # descriptors for packs, database, connections to home servers

parse: Any = serverFromString  # Twisted has no types for it

_log = Logger()


def raise_file_limit(limits: Limits) -> int:
    """As many open files as we may have; returns how many connections that leaves room for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.connections + OWN_FILES
    files = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    if files > soft != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    files = max(files, soft)
    room = max(files - OWN_FILES, 16)
    if room < limits.connections:
        _log.info("room for {room} connections: the limit of open files is {files}", room=room, files=files)
    return room


class Gatekeeper(ConnectionLimits):
    """Counts connections for every door, and stops accepting while descriptors are short.

    Whom the kernel still queues then is served when others go; accepting would fail (EMFILE), or cost one in service.
    """

    def __init__(self, limits: Limits, room: int, early: EarlyPorts | None = None) -> None:
        """``early``: ports that were bound while we still had the right to."""
        super().__init__(limits.connections, limits.connections_per_host, limits.trusted_networks)
        self._room = room
        self._early = early or EarlyPorts()
        self._connections = 0
        self._ports: list[Any] = []
        self.accepting = False
        self.accepted: Counter[str] = Counter()  # connections, by door
        self.turned_away = 0

    def bind(self, reactor: Any, door: str, endpoint: str, factory: Factory) -> tuple[str, int]:
        """Listens, but accepts only once ``open`` is called. Host and port. Raises BadConfiguration."""
        self.accepted[door] += 0
        counting: Any = _Counting(factory, door, self.accepted)
        if endpoint.startswith(proxied.PREFIX):
            counting = proxied.Proxied(counting, reactor)
        port = self._early.take(endpoint, counting) or listen(reactor, door, endpoint, counting)
        self._ports.append(port)
        port.stopReading()
        if port.socket.family in (socket.AF_INET, socket.AF_INET6):
            # inherited by every connection: answers are short, and must not wait for an acknowledgement
            port.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return place(port)

    def open(self) -> None:
        self.accepting = True
        for port in self._ports:
            port.startReading()

    def close(self) -> Deferred[Any]:
        """Fires when no port listens any more; connections stay."""
        self.accepting = False
        ports, self._ports = self._ports, []
        return DeferredList([Deferred.fromCoroutine(_stop(port)) for port in ports])

    def take(self, host: str) -> bool:
        taken = super().take(host)
        if taken:
            self._connections += 1
            if self._connections >= self._room and self.accepting:
                self.accepting = False
                for port in self._ports:
                    port.stopReading()
                _log.warn("{count} connections: no more are accepted until some go", count=self._connections)
        else:
            self.turned_away += 1
        return taken

    def release(self, host: str) -> None:
        super().release(host)
        self._connections -= 1
        if self._ports and not self.accepting and self._connections < self._room - self._room // 16:
            self.open()


class EarlyPorts:
    """Ports below 1024, which ``twistd --uid`` may bind before it gives up root, and nobody afterwards."""

    def __init__(self) -> None:
        self._ports: dict[str, Any] = {}

    def bind(self, reactor: Any, doors: Listen) -> None:
        """Binds, and accepts nothing. Raises BadConfiguration."""
        for door in SERVED:
            for endpoint in getattr(doors, door):
                if _privileged(endpoint) and endpoint not in self._ports:
                    port = self._ports[endpoint] = listen(reactor, door, endpoint, ServerFactory())
                    port.stopReading()

    def take(self, endpoint: str, factory: Any) -> Any:
        """The port, with the factory that it was bound for; None where it was not bound."""
        port = self._ports.pop(endpoint, None)
        if port is not None:
            port.factory.doStop()
            port.factory = factory
            factory.doStart()
        return port


def _privileged(endpoint: str) -> bool:
    fields = hosts.endpoint_fields(endpoint.removeprefix(proxied.PREFIX))
    return fields[0] in ("tcp", "tcp6") and len(fields) > 1 and fields[1].isdigit() and 0 < int(fields[1]) < _FREE_PORTS


class _Counting:
    """A door's factory, as a port sees it."""

    def __init__(self, factory: Any, door: str, accepted: Counter[str]) -> None:
        self._factory = factory
        self._door = door
        self._accepted = accepted
        self.doStart = factory.doStart
        self.doStop = factory.doStop

    def buildProtocol(self, address: Any) -> Any:  # noqa: N802
        self._accepted[self._door] += 1
        return self._factory.buildProtocol(address)


def listen(reactor: Any, door: str, endpoint: str, factory: Any) -> Any:
    """The port; it accepts as soon as the reactor runs. Raises BadConfiguration."""
    try:
        listening = parse(reactor, _with_backlog(endpoint.removeprefix(proxied.PREFIX))).listen(factory)
    except (ValueError, TypeError, ImportError) as error:
        raise BadConfiguration(f'listen.{door}: "{endpoint}": {error}') from None
    ports: list[Any] = []
    failures: list[Any] = []
    listening.addCallbacks(ports.append, failures.append)
    if failures:
        problem = failures[0].value
        why = problem.socketError if isinstance(problem, CannotListenError) else problem
        raise BadConfiguration(f'listen.{door}: "{endpoint}": cannot listen there: {why}')
    host, number = place(ports[0])
    _log.info("{door} listens at {address}", door=door, address=f"{host}:{number}" if number else endpoint)
    return ports[0]


def place(port: Any) -> tuple[str, int]:
    """Host and port; the port is 0 for a socket in the file system."""
    address = port.getHost()
    return getattr(address, "host", ""), getattr(address, "port", 0)


async def _stop(port: Any) -> None:
    await port.stopListening()


def _with_backlog(endpoint: str) -> str:
    fields = hosts.endpoint_fields(endpoint)
    if fields[0] in ("tcp", "tcp6") and not any(field.startswith("backlog=") for field in fields):
        return f"{endpoint}:backlog={_BACKLOG}"
    return endpoint


def served(listen: Listen) -> Listen:
    """The configuration without the doors that this version does not have."""
    return Listen(**{door: getattr(listen, door) if door in SERVED else () for door in listen.__struct_fields__})


def say_not_served(listen: Listen) -> None:
    """In one line."""
    missing = [door for door in listen.__struct_fields__ if getattr(listen, door) and door not in SERVED]
    if missing:
        _log.info("not served yet by this version: {doors}", doors=", ".join(missing))
