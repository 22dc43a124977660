"""How many connections a host may hold at a door: a pure counter that every door shares."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_network

from mpcontinuity.model import hosts


class ConnectionLimits:
    """``total`` over all hosts, ``per_host`` for each host outside the ``trusted`` networks (``[limits]`` of the file).

    A host is an IPv4 address or an IPv6 /64. Memory: one counter per host that holds a connection.
    """

    def __init__(self, total: int, per_host: int, trusted: Iterable[str] = ()) -> None:
        self._total = total
        self.per_host = per_host
        self._trusted = [ip_network(network, strict=False) for network in trusted]
        self._held = 0
        self._hosts: dict[str, int] = {}

    def take(self, host: str) -> bool:
        """Whether one more connection of ``host`` is let in; if so it counts until ``release``."""
        name, trusted = self._look(host)
        held = self._hosts.get(name, 0)
        if self._held >= self._total or (held >= self.per_host and not trusted):
            return False
        self._held += 1
        self._hosts[name] = held + 1
        return True

    def release(self, host: str) -> None:
        """Gives back what one successful ``take`` took."""
        name, _ = self._look(host)
        held = self._hosts[name] - 1
        self._held -= 1
        if held:
            self._hosts[name] = held
        else:
            del self._hosts[name]

    def _look(self, host: str) -> tuple[str, bool]:
        """What the host is counted by, and whether it is trusted."""
        return hosts.host_of(host), bool(self._trusted) and hosts.contains(self._trusted, host)
