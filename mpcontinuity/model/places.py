"""Places for what stays open for hours, such as streams of events: so many in all, of a client host and of its network.

A host is an IPv4 address or an IPv6 /64, a network a /24 or /48 (model/hosts.py). It is as in model/rations.py, where
connections are bounded alike; but behind a proxy of ours all connections are the proxy's, and these are not. Memory: a
number for each host and network that holds a place.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from mpcontinuity.model.hosts import host_of, network_of
from mpcontinuity.model.rations import HOSTS_OF_NETWORK, Rations

# Whatever the limits say, three quarters are for others than one host, and half for others than one network.
_PART_OF_HOST: Final = 4
_PART_OF_NETWORK: Final = 2


class Places:
    """``most`` places. A host has as many as it may have connections (``rations``), unless it is trusted."""

    def __init__(self, most: int, rations: Rations) -> None:
        self._most = most
        self._rations = rations
        self._hosts: Counter[str] = Counter()
        self._networks: Counter[str] = Counter()
        self._taken = 0

    def take(self, peer: str) -> bool:
        """Says whether there is a place for ``peer`` (an IP address); if so it is taken until `release`."""
        if self._taken >= self._most or not (self._rations.trusts(peer) or self._has_room(peer)):
            return False
        self._taken += 1
        self._hosts[host_of(peer)] += 1
        self._networks[network_of(peer)] += 1
        return True

    def release(self, peer: str) -> None:
        """Gives back what one successful `take` took."""
        self._taken -= 1
        for counted, name in ((self._hosts, host_of(peer)), (self._networks, network_of(peer))):
            counted[name] -= 1
            if not counted[name]:
                del counted[name]

    def _has_room(self, peer: str) -> bool:
        of_host = self._rations.per_host
        return self._hosts[host_of(peer)] < min(of_host, self._most // _PART_OF_HOST) and self._networks[
            network_of(peer)
        ] < min(of_host * HOSTS_OF_NETWORK, self._most // _PART_OF_NETWORK)

    def __len__(self) -> int:
        """How many are taken."""
        return self._taken
