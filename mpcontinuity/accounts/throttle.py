"""Guessing made slow: failed logins of one name from one client host, and of one host over all names.

A host is an IPv4 address or an IPv6 /64 (model/hosts.py). Names are digests of 16 octets, whatever was sent, and all
that is kept is bounded: per host, per network, and in all (`ROWS` of less than 500 octets each). What is over is taken
from those who bring it: who fills the memory pushes out nobody's counters but their own.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

from mpcontinuity.model import hosts
from mpcontinuity.model.clock import MINUTE, SECOND, Clock
from mpcontinuity.model.errors import Temporary

FORGOTTEN_AFTER = 15 * MINUTE
_LONGEST_DELAY = 30.0
_LONGEST_WAIT = 60.0  # s, of attempts that queue behind each other

# Seconds between two attempts of a host that has failed too often, for names that never logged in from there.
_PACE = 2.0

ROWS = 50_000  # hosts with failures, and names of each, in all
ROWS_OF_HOST = 1_000  # more than a host can fail at in FORGOTTEN_AFTER, once it is slowed down
HOSTS_OF_NETWORK = 256  # an IPv4 /24 has no more
NETWORKS = 10_000  # each has five rows at least
_NEWS = 10_000  # rows that other processes have not heard of
_AT_HOME = 20_000  # names that have logged in from a host: those are not slowed down for others of it

HOST = b""  # the name under which a host's failures over all names are counted


class Failures(NamedTuple):
    """What processes that share a store tell each other. ``name`` is a digest, or `HOST`; 0 ``failures``: forgiven."""

    host: str
    name: bytes
    failures: int
    last: int


class _Row:
    """Of a name from a host, or of a host (``name`` `HOST`)."""

    __slots__ = ("count", "last", "next", "pending")

    def __init__(self) -> None:
        self.count = 0
        self.last = 0
        self.next = 0  # when the next delayed attempt may run
        self.pending: set[bytes] | None = None  # attempts that run now, by their secret's digest

    @property
    def idle(self) -> bool:
        return not self.pending


class _Host:
    __slots__ = ("all", "rows")

    def __init__(self) -> None:
        self.all = _Row()
        self.rows: OrderedDict[bytes, _Row] = OrderedDict()  # by name, the latest last


class _Network:
    __slots__ = ("count", "hosts")

    def __init__(self) -> None:
        self.hosts: OrderedDict[str, _Host] = OrderedDict()
        self.count = 0  # of them, and of their rows


def digest_of(name: str) -> bytes:
    """Of whoever wants to log in: as every process makes it."""
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class Throttle:
    """The first ``limit`` failures of a name are free, the next ``limit`` cost a delay that doubles, then it is a
    refusal; so nobody can lock out somebody else's right password from elsewhere. Beyond ``host_limit`` failures over
    all names, attempts of a host wait for each other, or are told to come again; never those for names that have
    logged in from there, and never is a right password called wrong for others' failures.
    """

    def __init__(self, limit: int, host_limit: int, clock: Clock) -> None:
        self._limit = limit
        self._host_limit = host_limit
        self._clock = clock
        self._networks: OrderedDict[str, _Network] = OrderedDict()
        self._rows = 0
        self._at_home: OrderedDict[bytes, None] = OrderedDict()
        self._news: dict[tuple[str, bytes], int] = {}  # failures since they were told; below 0: forgiven

    def begin(self, name: bytes, host: str, digest: bytes, *, exempt: bool = False) -> float | None:
        """Seconds to wait before the attempt is looked at; None refuses it. ``exempt`` hosts are only slowed down.

        Raises Temporary where the host has to come again.
        """
        now = self._clock.now()
        wait = 0.0 if exempt or self._home(name, host) in self._at_home else self._wait_of_host(host, now)
        row = self._row(name, host, now)
        if row.pending is None:
            row.pending = set()
        row.pending.add(digest)  # parallel guesses count before they have failed
        tries = row.count + len(row.pending) - 1
        if tries < self._limit:
            return wait
        refused = row.count >= 2 * self._limit and not exempt
        delay = min(2.0 ** min(tries - self._limit, 10), _LONGEST_DELAY)
        due = max(row.next, now) + round(delay * SECOND)
        if refused or due - now > _LONGEST_WAIT * SECOND:
            self.abandoned(name, host, digest)
            return None
        row.next = due
        return max((due - now) / SECOND, wait)

    def succeeded(self, name: bytes, host: str) -> None:
        home = self._home(name, host)
        self._at_home[home] = None
        self._at_home.move_to_end(home)
        if len(self._at_home) > _AT_HOME:
            self._at_home.popitem(last=False)
        row = self._drop(name, host)
        if row is not None and row.count:
            self._news[host, name] = -1

    def failed(self, name: bytes, host: str, digest: bytes) -> None:
        now = self._clock.now()
        row = self._row(name, host, now)
        if row.pending is not None:
            row.pending.discard(digest)
        everything = self._networks[hosts.network_of(host)].hosts[host].all
        for each, whose in ((row, name), (everything, HOST)):
            each.count = each.count + 1 if now - each.last <= FORGOTTEN_AFTER else 1
            each.last = now
            self._news[host, whose] = max(self._news.get((host, whose), 0), 0) + 1
            if len(self._news) > _NEWS:
                del self._news[next(iter(self._news))]

    def abandoned(self, name: bytes, host: str, digest: bytes) -> None:
        """The attempt came to no result."""
        row = self._find(name, host)
        if row is not None and row.pending is not None:
            row.pending.discard(digest)
            if row.idle and not row.count:
                self._drop(name, host)

    # Between processes that share a store

    def news(self, most: int) -> list[Failures]:
        """Failures since they were told last, ``most`` of them; ``failures`` is how many more, -1: forgiven."""
        now = self._clock.now()
        told = sorted(self._news, key=self._news.__getitem__, reverse=True)[:most]
        return [Failures(host, name, self._news.pop((host, name)), now) for host, name in told]

    def untold(self, news: Iterable[Failures]) -> None:
        """They could not be told."""
        for host, name, count, _ in news:
            since = self._news.get((host, name), 0)
            self._news[host, name] = since + count if since > 0 < count else since or count

    def heard(self, failures: Iterable[Failures]) -> None:
        """What all processes have counted together."""
        now = self._clock.now()
        for host, name, count, last in failures:
            if now - last > FORGOTTEN_AFTER:
                continue
            ours = max(self._news.get((host, name), 0), 0)  # since we told
            if count + ours:
                row = self._row(name, host, now) if name else self._host(host, now).all
                row.count, row.last = count + ours, max(row.last, last)
            elif name:
                self._drop(name, host)

    def expire(self) -> None:
        """Forgets what is over: from time to time."""
        now = self._clock.now()
        while self._networks:
            network = next(iter(self._networks.values()))
            if any(now - host.all.last <= FORGOTTEN_AFTER or _busy(host) for host in network.hosts.values()):
                return
            self._forget(self._networks.popitem(last=False)[1])

    # Rows

    def _wait_of_host(self, host: str, now: int) -> float:
        network = self._networks.get(hosts.network_of(host))
        found = network.hosts.get(host) if network is not None else None
        if found is None or found.all.count < self._host_limit or now - found.all.last > FORGOTTEN_AFTER:
            return 0.0
        due = max(found.all.next, now) + round(_PACE * SECOND)
        if due - now > _LONGEST_WAIT * SECOND:
            raise Temporary("too many failed logins from this host")
        found.all.next = due
        return (due - now) / SECOND

    def _row(self, name: bytes, host: str, now: int) -> _Row:
        found = self._host(host, now)
        row = found.rows.get(name)
        if row is None:
            network = self._networks[hosts.network_of(host)]
            if len(found.rows) >= ROWS_OF_HOST:
                found.rows.popitem(last=False)
                self._took(network, 1)
            self._make_room(network)
            row = found.rows[name] = _Row()
            self._took(network, -1)
        elif row.last and now - row.last > FORGOTTEN_AFTER:
            row.count = row.next = row.last = 0
        found.rows.move_to_end(name)
        return row

    def _host(self, host: str, now: int) -> _Host:
        name = hosts.network_of(host)
        network = self._networks.get(name)
        if network is None:
            if len(self._networks) >= NETWORKS:
                self._forget(self._networks.popitem(last=False)[1])
            network = self._networks[name] = _Network()
        self._networks.move_to_end(name)
        found = network.hosts.get(host)
        if found is None:
            if len(network.hosts) >= HOSTS_OF_NETWORK:
                self._took(network, 1 + len(network.hosts.popitem(last=False)[1].rows))
            self._make_room(network)
            found = network.hosts[host] = _Host()
            self._took(network, -1)
        elif now - found.all.last > FORGOTTEN_AFTER:
            found.all.count = 0
        network.hosts.move_to_end(host)
        return found

    def _make_room(self, network: _Network) -> None:
        """For one more row: of the network itself, where that has its share; else of who has failed longest ago."""
        if self._rows < ROWS:
            return
        if network.count < ROWS // len(self._networks):
            self._forget(self._networks.popitem(last=False)[1])
            return
        oldest = next(iter(network.hosts.values()))
        if oldest.rows:
            oldest.rows.popitem(last=False)
        else:
            network.hosts.popitem(last=False)
        self._took(network, 1)

    def _find(self, name: bytes, host: str) -> _Row | None:
        network = self._networks.get(hosts.network_of(host))
        found = network.hosts.get(host) if network is not None else None
        return found.rows.get(name) if found is not None else None

    def _drop(self, name: bytes, host: str) -> _Row | None:
        row = self._find(name, host)
        if row is not None:
            network = self._networks[hosts.network_of(host)]
            del network.hosts[host].rows[name]
            self._took(network, 1)
            if not network.hosts[host].rows and not network.hosts[host].all.count:
                del network.hosts[host]
                self._took(network, 1)
                if not network.hosts:
                    del self._networks[hosts.network_of(host)]
        return row

    def _took(self, network: _Network, rows: int) -> None:
        network.count -= rows
        self._rows -= rows

    def _forget(self, network: _Network) -> None:
        self._rows -= network.count

    @staticmethod
    def _home(name: bytes, host: str) -> bytes:
        return hashlib.blake2b(name + host.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _busy(host: _Host) -> bool:
    return any(not row.idle for row in host.rows.values())
