"""What client hosts and their networks may take: connections at a time, and so much of each kind in a time.

Every door asks the same object, so that a host has one ration, whatever it does. A host is an IPv4 address or an IPv6
/64, a network a /24 or /48 (model/hosts.py). Who is over its ration is told to come again, never refused for good.

A ration is a bucket that is full at first and is filled evenly: one number per host and kind, when it will be full
again. What is over a ration at a time can be taken; then nothing is, until the debt is paid by time. Memory: a row of
some 300 octets for each host and network that holds a connection, and for `RESTING` others; one that has rested until
its buckets are full is forgotten, as it would begin with full ones.
"""

from __future__ import annotations

import enum
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from ipaddress import ip_network
from math import ceil
from typing import Final, NamedTuple

from mpcontinuity.model import hosts
from mpcontinuity.model.settings import Limits

# A network has the rations of so many hosts: big senders have several in each of theirs.
HOSTS_OF_NETWORK: Final = 4

# All hosts together have their refusals written down up to the rations of so many: 8.6 million rows a day by default.
HOSTS_OF_WORLD: Final = 20

# The part of all connections that is kept for hosts from which somebody has logged in.
RESERVE: Final = 0.1

BATCH: Final = 16  # commands
PIECE: Final = 64 * 1024  # octets

RESTING: Final = 20_000  # hosts, and networks, without a connection
FAMILIAR: Final = 20_000  # hosts from which somebody has logged in

# Of the ration of a host: what it took since that was told, from which on other processes are told.
_WORTH_TELLING: Final = 0.05


class Kind(enum.IntEnum):
    """What is rationed; the numbers are in the database."""

    CONNECTIONS = 0
    COMMANDS = 1
    REFUSALS = 2
    MESSAGES = 3
    OCTETS = 4  # of messages
    KEPT = 5  # octets of messages for postmaster and abuse that are kept here
    SESSIONS = 6  # that led to nothing, and have a line in the log


_MINUTE, _HOUR = 60.0, 3600.0
_PERIODS: Final = (_MINUTE, _MINUTE, _MINUTE, _MINUTE, _MINUTE, _HOUR, _MINUTE)  # by kind


class Taken(NamedTuple):
    """So much of a ration was taken: what processes that share a store tell each other.

    ``whose`` is a client host; other rations than those of hosts (model/recipients.py) say how they write it.
    """

    whose: str
    kind: int
    amount: int


class Left(NamedTuple):
    """Of a ration of ``quota`` in ``window`` seconds: what is ``left`` now, and in how many s it is ``whole`` again."""

    quota: int
    window: int
    left: int
    whole: int


class _Row:
    """Of a host, of a network (``rations`` `HOSTS_OF_NETWORK`), or of the world."""

    __slots__ = ("full", "held", "name", "network", "rations", "trusted", "untold")

    def __init__(self, name: str, rations: int, network: _Row | None = None, *, trusted: bool = False) -> None:
        self.name = name
        self.rations = rations
        self.network = network
        self.trusted = trusted
        self.held = 0  # connections
        self.full = [0.0] * len(_PERIODS)  # when each bucket is full
        self.untold = [0] * len(_PERIODS)


class _Rows:
    """By name. A row without connections is kept as long as there is room, and something to remember."""

    def __init__(self) -> None:
        self._held: dict[str, _Row] = {}
        self._resting: OrderedDict[str, _Row] = OrderedDict()

    def get(self, name: str) -> _Row | None:
        return self._held.get(name) or self._resting.get(name)

    def hold(self, row: _Row) -> None:
        row.held += 1
        if row.held == 1:
            self._resting.pop(row.name, None)
            self._held[row.name] = row

    def let_go(self, row: _Row, now: float) -> None:
        row.held -= 1
        if not row.held:
            del self._held[row.name]
            self.rest(row, now)

    def rest(self, row: _Row, now: float) -> None:
        """Remembers a row that holds nothing; forgets others that need not be remembered any more."""
        resting = self._resting
        resting[row.name] = row
        for _ in range(2):
            name, oldest = next(iter(resting.items()))
            if oldest is row or (len(resting) <= RESTING and max(oldest.full) > now):
                return
            del resting[name]

    def __len__(self) -> int:
        return len(self._held) + len(self._resting)


class Share:
    """What a door knows of the host at the other end of one connection. Each method says whether that is within the
    rations; who has logged in is rationed as a user, and no longer as a host.

    Commands and octets are taken from the rations in `BATCH` and `PIECE`: what a connection does not fill is given.
    """

    __slots__ = ("_commands", "_free", "_octets", "_rations", "_row")

    def __init__(self, rations: Rations, row: _Row) -> None:
        self._rations = rations
        self._row = row
        self._free = row.trusted
        self._commands = 0
        self._octets = 0

    def commands(self, count: int = 1) -> bool:
        """Counts commands, and says whether the host may go on."""
        self._commands += count
        if self._commands < BATCH or self._free:
            return True
        commands, self._commands = self._commands, 0
        return self._rations.spend(self._row, Kind.COMMANDS, commands)

    def request(self) -> bool:
        """Counts one command by itself, of a host whose requests come by connections that others share."""
        return self._free or self._rations.spend(self._row, Kind.COMMANDS, 1)

    def left(self) -> Left | None:
        """Returns what is left of the host's commands, to within a `BATCH`; None where they are not rationed."""
        return None if self._free else self._rations.left(self._row, Kind.COMMANDS, self._commands)

    def message(self) -> bool:
        """Says whether one more message of the host may begin, and counts it."""
        if self._free:
            return True
        if self._octets:
            self._take_octets()
        return self._rations.within(self._row, Kind.OCTETS) and self._rations.spend(self._row, Kind.MESSAGES, 1)

    def octets(self, count: int) -> None:
        """Counts octets of a message: what is over the ration is paid for before the next message begins."""
        self._octets += count
        if self._octets >= PIECE and not self._free:
            self._take_octets()

    def _take_octets(self) -> None:
        self._rations.charge(self._row, Kind.OCTETS, self._octets)
        self._octets = 0

    def refusal(self) -> bool:
        """Says whether a refusal is to be written down and logged; else it is only counted."""
        return self._row.trusted or self._rations.singly(self._row, Kind.REFUSALS)

    def session(self) -> bool:
        """Says whether the end of this session, which led to nothing, has a line in the log; else it is counted."""
        return self._free or self._rations.singly(self._row, Kind.SESSIONS)

    def logged_in(self) -> None:
        """Frees the connection from the host's rations: somebody has logged in, and is rationed as a user."""
        self._free = True
        self._rations.familiar(self._row.name)


class Rations:
    """The rations of all client hosts at one process; a `Counting` (model/sharing.py) of `Taken`.

    ``seconds`` are those of a `Timer`. ``room`` is how many connections there may be at most, whatever ``limits`` say;
    None: as many as they say.
    """

    def __init__(self, limits: Limits, seconds: Callable[[], float], room: int | None = None) -> None:
        self._seconds = seconds
        self._room = room
        self._trusted = [ip_network(network, strict=False) for network in limits.trusted_networks]
        self._hosts, self._networks, self._domains = _Rows(), _Rows(), _Rows()
        self._world = _Row("", HOSTS_OF_WORLD)
        self._held = 0
        self._strangers = 0  # connections of hosts that are not familiar
        self._familiar: OrderedDict[str, None] = OrderedDict()
        self._news: dict[int, _Row] = {}  # rows with something to tell, by their id
        self.counted: Counter[str] = Counter()  # refusals and sessions that are not written down, by host; of late
        self.counts: Callable[[], object] = lambda: None  # called when there is something in it
        self.over: Counter[str] = Counter({kind.name.lower(): 0 for kind in Kind})  # how often a ration was used up
        self.sharing = False  # whether other processes are to be told
        self.adopt(limits)

    def adopt(self, limits: Limits) -> None:
        """Takes other limits from now on; what was taken is kept."""
        self._total = limits.connections if self._room is None else min(limits.connections, self._room)
        self._open_to_strangers = self._total - int(self._total * RESERVE)
        self._per_host = limits.connections_per_host
        amounts = (
            limits.connections_per_minute,
            limits.commands_per_minute,
            limits.refusals_per_minute,
            limits.messages_per_minute,
            limits.octets_per_minute,
            limits.postmaster_octets_per_hour,
            limits.refusals_per_minute,
        )
        self._amounts = amounts
        self._prices = [period / amount for period, amount in zip(_PERIODS, amounts, strict=True)]
        self._worth_telling = [max(int(amount * _WORTH_TELLING), 1) for amount in amounts]
        # A single message may always be taken, where nothing was before it.
        self._largest_kept = limits.message_size * self._prices[Kind.KEPT]

    @property
    def per_host(self) -> int:
        """How many connections a host may have at a time."""
        return self._per_host

    def trusts(self, peer: str) -> bool:
        """Says whether ``peer`` (an IP address) is of a trusted network, whose hosts have no rations."""
        return bool(self._trusted) and hosts.contains(self._trusted, peer)

    # The gate

    def take(self, peer: str) -> bool:
        """Says whether one more connection of ``peer`` (an IP address) is let in; if so it counts until `release`."""
        row = self._row(peer)
        if not row.held:  # else its network holds it too, and is not forgotten
            row.network = self._network(peer)
        network = row.network
        assert network is not None
        stranger = False
        if not row.trusted:
            stranger = row.name not in self._familiar
            if row.held >= self._per_host or (stranger and self._crowded(network)):
                return False
            if not self.spend(row, Kind.CONNECTIONS, 1):
                return False
        if self._held >= self._total:
            return False
        self._held += 1
        self._strangers += stranger
        self._hosts.hold(row)
        self._networks.hold(network)
        return True

    def release(self, peer: str) -> None:
        """Gives back what one successful `take` took."""
        row = self._row(peer)
        assert row.network is not None
        self._held -= 1
        if not row.trusted and row.name not in self._familiar:
            self._strangers -= 1
        now = self._seconds()
        self._hosts.let_go(row, now)
        self._networks.let_go(row.network, now)

    def _crowded(self, network: _Row) -> bool:
        """Strangers leave room for users, and those of one network for others."""
        return self._strangers >= self._open_to_strangers or network.held >= self._per_host * HOSTS_OF_NETWORK

    def familiar(self, host: str) -> None:
        """Remembers that somebody has logged in from a host: it may use the connections that strangers may not."""
        if host in self._familiar:
            self._familiar.move_to_end(host)
            return
        row = self._hosts.get(host)
        if row is not None and not row.trusted:
            self._strangers -= row.held
        self._familiar[host] = None
        if len(self._familiar) > FAMILIAR:
            oldest, _ = self._familiar.popitem(last=False)
            row = self._hosts.get(oldest)
            if row is not None and not row.trusted:
                self._strangers += row.held

    # Doors

    def share_of(self, peer: str) -> Share:
        """Returns what a door asks for one connection of ``peer`` (an IP address)."""
        return Share(self, self._row(peer))

    def singly(self, row: _Row, kind: Kind) -> bool:
        """Says whether one more of ``kind`` is written down for itself; else it is counted in ``counted``.

        What a host, its network and the world have written down is rationed.
        """
        now = self._seconds()
        if self._world.full[kind] - now <= _PERIODS[kind] and self.spend(row, kind, 1):
            self._charge(self._world, kind, 1, now)
            return True
        if row.name in self.counted or len(self.counted) < RESTING:
            self.counted[row.name] += 1
            self.counts()
        return False

    def kept(self, peer: str, domain: str, octets: int) -> bool:
        """Says whether a message for postmaster or abuse of ``domain``, which nobody but us takes, may go on.

        ``octets`` more of it have come; 0 asks before the first. One that was begun within the rations may be of any
        size that is allowed.
        """
        row = self._row(peer)
        if row.trusted:
            return True
        now = self._seconds()
        whose = self._domains.get(domain)
        if whose is None:
            whose = _Row(domain, HOSTS_OF_NETWORK)
            self._domains.rest(whose, now)
        assert row.network is not None
        tolerated = now + _HOUR + (self._largest_kept if octets else 0.0)
        if any(each.full[Kind.KEPT] > tolerated for each in (row, row.network, whose)):
            self.over["kept"] += 1
            return False
        self.charge(row, Kind.KEPT, octets)
        self._charge(whose, Kind.KEPT, octets, now)
        return True

    # Buckets

    def within(self, row: _Row, kind: Kind) -> bool:
        """Says whether a host's row and its network's have anything left of ``kind``."""
        latest = self._seconds() + _PERIODS[kind]
        assert row.network is not None
        if row.full[kind] <= latest and row.network.full[kind] <= latest:
            return True
        self.over[kind.name.lower()] += 1
        return False

    def left(self, row: _Row, kind: Kind, taken: int = 0) -> Left:
        """Returns what is left of ``kind`` for a host: as much as its own row and its network's both have, less what is
        ``taken`` and not counted yet."""
        now, period, price = self._seconds(), _PERIODS[kind], self._prices[kind]
        assert row.network is not None
        owed = [(max(each.full[kind] - now, 0.0), price / each.rations) for each in (row, row.network)]
        left = min(int((period - seconds) / each) for seconds, each in owed) - taken
        return Left(self._amounts[kind], int(period), max(left, 0), ceil(max(seconds for seconds, _ in owed)))

    def spend(self, row: _Row, kind: Kind, amount: int) -> bool:
        """Says whether a host's row and its network's have anything left; if so ``amount`` is taken from both."""
        if not self.within(row, kind):
            return False
        self.charge(row, kind, amount)
        return True

    def charge(self, row: _Row, kind: Kind, amount: int) -> None:
        """Takes ``amount`` from a host's row and its network's, however little is left."""
        now = self._seconds()
        assert row.network is not None
        self._charge(row, kind, amount, now)
        self._charge(row.network, kind, amount, now)
        if self.sharing:
            row.untold[kind] += amount
            if row.untold[kind] >= self._worth_telling[kind]:
                self._news[id(row)] = row

    def _charge(self, row: _Row, kind: Kind, amount: int, now: float) -> None:
        full = row.full[kind]
        row.full[kind] = (full if full > now else now) + amount * self._prices[kind] / row.rations

    def _row(self, peer: str) -> _Row:
        name = hosts.host_of(peer)
        row = self._hosts.get(name)
        if row is None:
            row = _Row(name, 1, self._network(peer), trusted=self.trusts(peer))
            self._hosts.rest(row, self._seconds())
        return row

    def _network(self, peer: str) -> _Row:
        name = hosts.network_of(peer)
        row = self._networks.get(name)
        if row is None:
            row = _Row(name, HOSTS_OF_NETWORK)
            self._networks.rest(row, self._seconds())
        return row

    # Between processes that share a store

    def news(self, most: int) -> list[Taken]:
        """Returns what ``most`` hosts took since that was told last; those that took little are not worth it."""
        told = []
        for key in list(self._news)[:most]:
            row = self._news.pop(key)
            told += [Taken(row.name, kind, amount) for kind, amount in enumerate(row.untold) if amount]
            row.untold = [0] * len(_PERIODS)
        return told

    def untold(self, news: Iterable[Taken]) -> None:
        """Takes back news that could not be told."""
        for host, kind, amount in news:
            if 0 <= kind < len(_PERIODS):
                row = self._row(host)
                row.untold[kind] += amount
                self._news[id(row)] = row

    def heard(self, rows: Iterable[Taken]) -> None:
        """Takes in what hosts took at other processes; more than a ration at a time was taken over a longer one."""
        sharing, self.sharing = self.sharing, False
        for host, kind, amount in rows:
            if 0 <= kind < len(_PERIODS):
                self.charge(self._row(host), Kind(kind), min(amount, self._amounts[kind]))
        self.sharing = sharing
