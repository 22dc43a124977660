"""Listeners: endpoint strings turned into ports."""

from __future__ import annotations

from typing import Any

from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger

from mpcontinuity.app.listening import proxied
from mpcontinuity.config.read import BadConfiguration
from mpcontinuity.model import hosts
from mpcontinuity.model.settings import Listen

_BACKLOG = 1024
_FREE_PORTS = 1024  # from here on anybody may listen

parse: Any = serverFromString  # Twisted has no types for it

_log = Logger()


class EarlyPorts:
    """Ports below 1024, which ``twistd --uid`` may bind before it gives up root, and nobody may afterwards."""

    def __init__(self) -> None:
        self._ports: dict[str, Any] = {}

    def bind(self, reactor: Any, doors: Listen) -> None:
        """Binds the ports of the ``doors`` that are below 1024, and accepts nothing. Raises BadConfiguration."""
        for door in doors.__struct_fields__:
            for endpoint in getattr(doors, door):
                if _privileged(endpoint) and endpoint not in self._ports:
                    port = self._ports[endpoint] = listen(reactor, door, endpoint, ServerFactory())
                    port.stopReading()

    def take(self, endpoint: str, factory: Any) -> Any:
        """Returns the port that was bound for this endpoint, with the factory it is to serve now; None where none was
        bound.
        """
        port = self._ports.pop(endpoint, None)
        if port is not None:
            port.factory.doStop()
            port.factory = factory
            factory.doStart()
        return port


def _privileged(endpoint: str) -> bool:
    fields = hosts.endpoint_fields(endpoint.removeprefix(proxied.PREFIX))
    return fields[0] in ("tcp", "tcp6") and len(fields) > 1 and fields[1].isdigit() and 0 < int(fields[1]) < _FREE_PORTS


def listen(reactor: Any, door: str, endpoint: str, factory: Any) -> Any:
    """Listens at an endpoint of [listen], and returns the port. It accepts as soon as the reactor runs. Raises
    BadConfiguration.
    """
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
    """Returns host and number of a port; the number is 0 for a socket in the file system."""
    address = port.getHost()
    return getattr(address, "host", ""), getattr(address, "port", 0)


def _with_backlog(endpoint: str) -> str:
    fields = hosts.endpoint_fields(endpoint)
    if fields[0] in ("tcp", "tcp6") and not any(field.startswith("backlog=") for field in fields):
        return f"{endpoint}:backlog={_BACKLOG}"
    return endpoint
