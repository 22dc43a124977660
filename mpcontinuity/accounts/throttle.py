"""Makes guessing slow: by failed logins of one name from one client host, and of a host or a network over all names.

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
from mpcontinuity.model.rations import HOSTS_OF_NETWORK

FORGOTTEN_AFTER = 15 * MINUTE
_LONGEST_DELAY = 30.0
_LONGEST_WAIT = 60.0  # s, of attempts that queue behind each other

# Seconds between two attempts of a host that has failed too often, for names that never logged in from there; those of
# a network have as much as some hosts together.
_PACE = 2.0

ROWS = 50_000  # hosts with failures, and names of each, in all
ROWS_OF_HOST = 1_000  # more than a host can fail at in FORGOTTEN_AFTER, once it is slowed down
REMEMBERED_HOSTS = 256  # of a network; an IPv4 /24 has no more
NETWORKS = 10_000  # each has five rows at least
_NEWS = 10_000  # rows that other processes have not heard of
_AT_HOME = 20_000  # names that have logged in from a host: those are not slowed down for others of it


class Failures(NamedTuple):
    """So many failed logins of a name from a host: what processes that share a store tell each other.

    ``name`` is a digest, or, of a host or network over all names, the quarter of an hour they are counted in.
    ``failures`` 0 means forgiven; ``last`` is when the last one was, in µs.
    """

    host: str
    name: bytes
    failures: int
    last: int


class _Row:
    """Of a name from a host."""

    __slots__ = ("count", "last", "next", "pending")

    def __init__(self) -> None:
        self.count = 0
        self.last = 0
        self.next = 0  # when the next delayed attempt may run
        self.pending: set[bytes] | None = None  # attempts that run now, by their secret's digest

    @property
    def idle(self) -> bool:
        return not self.pending


class _All:
    """Of a host or a network over all names, in one quarter of an hour: who fails now and then is never over."""

    __slots__ = ("count", "next", "window")

    def __init__(self) -> None:
        self.count = 0
        self.next = 0
        self.window = b""

    def add(self, window: bytes, count: int) -> None:
        self.count = count + (self.count if window == self.window else 0)
        self.window = window


class _Host:
    __slots__ = ("all", "last", "rows")

    def __init__(self) -> None:
        self.all = _All()
        self.last = 0
        self.rows: OrderedDict[bytes, _Row] = OrderedDict()  # by name, the latest last


class _Network:
    __slots__ = ("all", "count", "hosts")

    def __init__(self) -> None:
        self.all = _All()
        self.hosts: OrderedDict[str, _Host] = OrderedDict()
        self.count = 0  # of them, and of their rows


def _window(now: int) -> bytes:
    return (now // FORGOTTEN_AFTER).to_bytes(8, "big")


def digest_of(name: str) -> bytes:
    """Returns the 16 octets that failures of a name are counted by; the same in every process."""
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class Throttle:
    """Says how long each attempt to log in has to wait at one process; a `Counting` (model/sharing.py) of `Failures`.

    The first ``limit`` failures of a name are free, the next ``limit`` cost a delay that doubles, then it is
    a refusal; so nobody can lock out somebody else's right password from elsewhere. Beyond ``host_limit`` failures over
    all names in a quarter of an hour, attempts of a host wait for each other, or are told to come again (of a network:
    four times as many). That never holds for names that have logged in from there, and a right password is never
    called wrong for others' failures.
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
        """Returns the seconds to wait before an attempt is looked at; None refuses it.

        ``name`` is of `digest_of`, ``host`` of ``hosts.host_of``, ``digest`` tells attempts with other secrets apart.
        ``exempt`` hosts are only slowed down. `succeeded`, `failed` or `abandoned` must follow, unless it is refused.

        Raises Temporary where the host has to come again.
        """
        now = self._clock.now()
        known = self._find(name, host)
        if known is not None and not exempt and known.count >= 2 * self._limit and now - known.last <= FORGOTTEN_AFTER:
            return None
        wait = 0.0 if exempt or self._home(name, host) in self._at_home else self._wait_of_all(host, now)
        row = self._row(name, host, now)
        if row.pending is None:
            row.pending = set()
        row.pending.add(digest)  # parallel guesses count before they have failed
        tries = row.count + len(row.pending) - 1
        if tries < self._limit:
            return wait
        delay = min(2.0 ** min(tries - self._limit, 10), _LONGEST_DELAY)
        due = max(row.next, now) + round(delay * SECOND)
        if due - now > _LONGEST_WAIT * SECOND:
            self.abandoned(name, host, digest)
            return None
        row.next = due
        return max((due - now) / SECOND, wait)

    def succeeded(self, name: bytes, host: str) -> None:
        """Forgives the failures of a name from a host, as its secret was right; from now on it is known there."""
        home = self._home(name, host)
        self._at_home[home] = None
        self._at_home.move_to_end(home)
        if len(self._at_home) > _AT_HOME:
            self._at_home.popitem(last=False)
        row = self._drop(name, host)
        if row is not None and row.count:
            self._tell(host, name, -1)

    def failed(self, name: bytes, host: str, digest: bytes) -> None:
        """Counts a failed attempt, of the name from that host and of the host and its network over all names."""
        now = self._clock.now()
        row = self._row(name, host, now)
        if row.pending is not None:
            row.pending.discard(digest)
        row.count += 1
        where = hosts.network_of(host)
        network = self._networks[where]
        found = network.hosts[host]
        row.last = found.last = now
        self._tell(host, name, 1)
        window = _window(now)
        for each, whose in ((found.all, host), (network.all, where)):
            each.add(window, 1)
            self._tell(whose, window, 1)

    def _tell(self, host: str, name: bytes, failures: int) -> None:
        self._news[host, name] = failures if failures < 0 else max(self._news.get((host, name), 0), 0) + failures
        if len(self._news) > _NEWS:
            del self._news[next(iter(self._news))]

    def abandoned(self, name: bytes, host: str, digest: bytes) -> None:
        """Counts an attempt neither way, as it came to no result."""
        row = self._find(name, host)
        if row is not None and row.pending is not None:
            row.pending.discard(digest)
            if row.idle and not row.count:
                self._drop(name, host)

    # Between processes that share a store

    def news(self, most: int) -> list[Failures]:
        """Returns failures since they were told last, ``most`` rows, the largest first.

        ``failures`` of a row is how many more there were; -1: forgiven.
        """
        now = self._clock.now()
        told = sorted(self._news, key=self._news.__getitem__, reverse=True)[:most]
        return [Failures(host, name, self._news.pop((host, name)), now) for host, name in told]

    def untold(self, news: Iterable[Failures]) -> None:
        """Takes back news that could not be told."""
        for host, name, count, _ in news:
            since = self._news.get((host, name), 0)
            self._news[host, name] = since + count if since > 0 < count else since or count

    def heard(self, rows: Iterable[Failures]) -> None:
        """Takes in what all processes have counted; ours that were told are among it."""
        now = self._clock.now()
        window = _window(now)
        for host, name, count, last in rows:
            if now - last > FORGOTTEN_AFTER:
                continue
            ours = max(self._news.get((host, name), 0), 0)  # since we told
            if len(name) == len(window):
                if name == window:
                    everything = self._network(host).all if "/" in host else self._host(host).all
                    everything.count, everything.window = count + ours, window
            elif count + ours:
                row = self._row(name, host, now)
                row.count, row.last = count + ours, max(row.last, last)
                self._host(host).last = row.last
            else:
                self._drop(name, host)

    def expire(self) -> None:
        """Forgets networks whose last failure is over: to be called from time to time."""
        now = self._clock.now()
        while self._networks:
            network = next(iter(self._networks.values()))
            if network.all.window >= _window(now - FORGOTTEN_AFTER) or any(
                now - host.last <= FORGOTTEN_AFTER or _busy(host) for host in network.hosts.values()
            ):
                return
            self._forget(self._networks.popitem(last=False)[1])

    # Rows

    def _wait_of_all(self, host: str, now: int) -> float:
        network = self._networks.get(hosts.network_of(host))
        if network is None:
            return 0.0
        window, due = _window(now), now
        found = network.hosts.get(host)
        slowed = []
        for everything, share in ((network.all, HOSTS_OF_NETWORK), (found and found.all, 1)):
            if everything and everything.window == window and everything.count >= self._host_limit * share:
                slowed.append((everything, max(everything.next, now) + round(_PACE * SECOND / share)))
        for _, next_one in slowed:
            due = max(due, next_one)
        if due - now > _LONGEST_WAIT * SECOND:
            raise Temporary("too many failed logins from this host or its network")
        for everything, next_one in slowed:
            everything.next = next_one
        return (due - now) / SECOND

    def _row(self, name: bytes, host: str, now: int) -> _Row:
        found = self._host(host)
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

    def _network(self, name: str) -> _Network:
        network = self._networks.get(name)
        if network is None:
            if len(self._networks) >= NETWORKS:
                self._forget(self._networks.popitem(last=False)[1])
            network = self._networks[name] = _Network()
        self._networks.move_to_end(name)
        return network

    def _host(self, host: str) -> _Host:
        network = self._network(hosts.network_of(host))
        found = network.hosts.get(host)
        if found is None:
            if len(network.hosts) >= REMEMBERED_HOSTS:
                self._took(network, 1 + len(network.hosts.popitem(last=False)[1].rows))
            self._make_room(network)
            found = network.hosts[host] = _Host()
            self._took(network, -1)
        network.hosts.move_to_end(host)
        return found

    def _make_room(self, network: _Network) -> None:
        """For one more row: of the network itself, where that has its share; else of who has failed longest ago."""
        while self._rows >= ROWS:
            if network.count < ROWS // len(self._networks):
                self._forget(self._networks.popitem(last=False)[1])
                continue
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
                if not network.hosts and not network.all.count:
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
