"""How many connections a host may hold at a door: a pure counter that every door shares."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

_IPV6_HOST_BITS = 64  # a single host owns a /64 and could use another address for each connection


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
        """What the host is counted by, and whether it is trusted. A peer without an IP address counts by its name."""
        try:
            address = ip_address(host.partition("%")[0])
        except ValueError:
            return host, False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        trusted = any(_contains(network, address) for network in self._trusted)
        if isinstance(address, IPv4Address):
            return str(address), trusted
        return str(IPv6Address(int(address) >> _IPV6_HOST_BITS << _IPV6_HOST_BITS)), trusted


def _contains(network: IPv4Network | IPv6Network, address: IPv4Address | IPv6Address) -> bool:
    return network.version == address.version and address in network
