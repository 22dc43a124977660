"""The way of a message in simulated time: clients, inbound, delivery, the store, a home server with moods, redelivery.

Power fails, connections are cut, the home server stalls; in the end everything that was answered with 250 must have
reached the home server, nothing twice that was not in doubt, and the ledger must add up at every look.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable
from functools import partial
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from mpcontinuity.accounts import domains, users
from mpcontinuity.accounts.directory import Directory
from mpcontinuity.delivery.incoming import Incoming
from mpcontinuity.delivery.relay import repair
from mpcontinuity.delivery.service import Delivery
from mpcontinuity.homes.service import Watch
from mpcontinuity.inbound.factory import SmtpFactory
from mpcontinuity.inbound.services import Services
from mpcontinuity.model import settings
from mpcontinuity.model.address import parse
from mpcontinuity.model.body import Body
from mpcontinuity.model.errors import Corrupt
from mpcontinuity.model.limits import ConnectionLimits
from mpcontinuity.model.owed import OPEN
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.outbound.home import HomeServers, Means
from mpcontinuity.queue import ledger
from mpcontinuity.redelivery.flush import Means as Flushing
from mpcontinuity.redelivery.service import Redelivery
from mpcontinuity.store.bodies.reconcile import reconcile
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from tests.fakes.clock import SeededRandomness
from tests.simulation.client import ClientSession, Letter, letter
from tests.simulation.home import UNKNOWN, Home, Taken
from tests.simulation.machine import Machine
from tests.simulation.network import Network

T = TypeVar("T")

LIVES = 3
LIFE = 60.0  # seconds, if the power holds
CLIENTS = 3
LETTERS = 6  # of each client, per life
USERS = ["ann@a.example", "bob@a.example", "eve@a.example"]

HOME = settings.Home(connect_timeout=3, reply_timeout=3, message_timeout=5, probe_interval=5, connections=3)
RETRY = settings.Retry(first=5, longest=60)
LIMITS = settings.Limits()

_OWED = Statement("SELECT recipient, state, body FROM owed")
_INBOX = Statement(
    "SELECT account.address, entry.body FROM entry JOIN mailbox ON mailbox.id = entry.id >> 32"
    " JOIN account ON account.id = mailbox.account WHERE mailbox.name = 'INBOX'"
)
_BODIES = Statement('SELECT id, pack, body."offset", length, prefix, crc FROM body')


class Process:
    """What `app.parts` joins, on a machine and a network that are not real."""

    def __init__(self, store: Store, machine: Machine, network: Network) -> None:
        self.store = store
        clock = machine.clock
        randomness = SeededRandomness(machine.chance.getrandbits(32))
        directory = Directory(store)
        means = Means("mx.example", HOME, clock, network.connect, _no_tls)
        self.homes = HomeServers(means, clock)
        self._watch = Watch(store, directory, self.homes, HOME, timer=clock, randomness=randomness)
        flushing = Flushing(store, clock, randomness, RETRY, HOME.connections)
        self._redelivery = Redelivery(flushing, directory, self.homes)
        delivery = Delivery(
            store, directory, self.homes, hostname="mx.example", limits=LIMITS, timer=clock, retry_after=30_000_000
        )
        services = Services(
            begin=partial(Incoming, delivery),
            hostname="mx.example",
            limits=LIMITS,
            connections=ConnectionLimits(LIMITS.connections, LIMITS.connections_per_host),
            identifiers=store.identifiers,
            timer=clock,
        )
        self.door = SmtpFactory(services, delivery.hurry.begin)

    async def start(self) -> None:
        await self._watch.start()
        await self._redelivery.start()
        await reconcile(self.store, repair)


def _no_tls(host: str, verify: bool) -> Any:
    raise AssertionError("home offers no STARTTLS")


class Journey:
    """One seed's story."""

    def __init__(self, seed: int, **bugs: bool) -> None:
        self._machine = Machine(seed, **bugs)
        self._chance = self._machine.chance
        self._home = Home(self._chance)
        self._letters: list[list[Letter]] = [[] for _ in range(CLIENTS)]
        self._numbers = 0
        self._domain = 0
        self.faults: list[str] = []

    def run(self) -> list[str]:
        """What was found wrong."""
        for life in range(LIVES):
            process = self._boot(life)
            if self.faults:
                return self.faults
            for letters in self._letters:
                letters += [self._letter() for _ in range(LETTERS)]
            self._machine.disk.fail_after(self._chance.randint(20, 1500))
            self._live(process, LIFE)
            self._machine.switch_off()
        self._end_well(self._boot(LIVES))
        self._machine.switch_off()
        return self.faults

    def _letter(self) -> Letter:
        self._numbers += 1
        return letter(self._numbers, self._chance, USERS, UNKNOWN)

    def _boot(self, life: int) -> Process:
        machine = self._machine
        store = machine.boot()
        self._home.clock = machine.clock
        self._home.life = life
        self._network = Network(machine.clock, self._chance)
        self._network.listen("home.a.example", self._home.accept)
        if life == 0:
            self._domain = self._await(store.run(_subscribe))
        process = Process(store, machine, self._network)
        self._await(Deferred.fromCoroutine(process.start()))
        self._audit(process)
        return process

    def _live(self, process: Process, seconds: float) -> None:
        self._change_mood()
        for letters in self._letters:
            self._dial(process, letters)
        self._machine.run(seconds)

    def _change_mood(self) -> None:
        self._home.change_mood()
        self._machine.clock.callLater(self._chance.uniform(1, 15), self._change_mood)

    def _dial(self, process: Process, letters: list[Letter]) -> None:
        machine = self._machine
        again = partial(machine.clock.callLater, self._chance.uniform(0.1, 5), self._dial, process, letters)
        client = ClientSession(letters, self._chance, self._home.life, lambda: not machine.disk.off, again)
        self._network.join(client, process.door.buildProtocol(None))

    def _end_well(self, process: Process) -> None:
        """Home serves, the network holds: within two hours all is where it belongs."""
        if self.faults:
            return
        self._home.mood = "well"
        self._network.calm()
        for letters in self._letters:
            self._dial(process, letters)
        store = process.store
        for _ in range(24):
            self._machine.run(300)
            if not any(state in OPEN for _, state, _ in self._await(store.read(lambda tx: tx.all(_OWED)))):
                break
        self._audit(process, end=True)

    # What an auditor finds

    def _audit(self, process: Process, *, end: bool = False) -> None:
        store = process.store
        if problems := self._machine.check_database():
            self.faults.append(f"the database is damaged: {problems}")
            return
        for line in self._await(store.read(partial(ledger.report, domain=self._domain))):
            if not line.adds_up:
                self.faults.append(f"the ledger does not add up: {line}")
        numbers = self._numbers_of_bodies(store)
        owed = self._await(store.read(lambda tx: tx.all(_OWED)))
        still = {(numbers[body], recipient) for recipient, state, body in owed if state in OPEN}
        inbox = Counter(
            (numbers[body], address) for address, body in self._await(store.read(lambda tx: tx.all(_INBOX)))
        )
        self.faults += [
            f"letter {number} is {count} times in INBOX of {a}" for (number, a), count in inbox.items() if count > 1
        ]
        self.faults += [f"letter {each[0]} is owed to {each[1]}, but not in INBOX" for each in still - inbox.keys()]
        arrived = self._arrived()
        for each in (each for letters in self._letters for each in letters if each.answered):
            for recipient in each.taken:
                if (each.number, recipient) not in arrived and (end or (each.number, recipient) not in still):
                    self.faults.append(f"letter {each.number} to {recipient} was answered and has not reached home")
        if end:
            self._audit_end(still)

    def _audit_end(self, still: set[tuple[int, str]]) -> None:
        self.faults += [f"letter {number} to {recipient} is owed for ever" for number, recipient in still]
        for each in (each for letters in self._letters for each in letters):
            if not each.answered and not each.given_up:
                self.faults.append(f"letter {each.number} was never answered")

    def _numbers_of_bodies(self, store: Store) -> dict[int, int]:
        """The letter that each body is a copy of, after a look whether it is one byte for byte."""
        letters = {each.number: each for letters in self._letters for each in letters}
        bodies = [Body(*row) for row in self._await(store.read(lambda tx: tx.all(_BODIES)))]
        numbers = {}
        for body, content in zip(bodies, self._await(store.bodies.read_many(bodies)), strict=True):
            if isinstance(content, Corrupt):
                self.faults.append(f"the index names what is not there: {content}")
                numbers[body.id] = 0
                continue
            numbers[body.id] = _number(content)
            if not content.endswith(b"\r\n" + letters[numbers[body.id]].content):
                self.faults.append(f"letter {numbers[body.id]} is not stored as it was sent")
        return numbers

    def _arrived(self) -> set[tuple[int, str]]:
        """Letters and recipients that home has; what is wrong with them is a fault."""
        letters = {each.number: each for letters in self._letters for each in letters}
        by_letter: dict[tuple[int, str], list[frozenset[bytes]]] = {}
        last: dict[bytes, Taken] = {}
        for taken in self._home.taken:
            each = letters[_number(taken.content)]
            if not taken.content.endswith(b"\r\n" + each.content):
                self.faults.append(f"letter {each.number} reached home changed")
            before = [last[number] for number in taken.ids if number in last]
            if any(one.confirmed and one.life == taken.life for one in before):
                self.faults.append(f"letter {each.number} was sent again although home's 250 was heard")
            last.update(dict.fromkeys(taken.ids, taken))
            for recipient in taken.recipients:
                by_letter.setdefault((each.number, recipient), []).append(taken.ids)
        for (number, recipient), takes in by_letter.items():
            # Where power failed while the client waited, home may have had it before we could note anything.
            if (times := _unrelated(takes)) > len(letters[number].lives):
                self.faults.append(f"letter {number} reached {recipient} {times} times with different ids")
        return set(by_letter)

    def _await(self, awaitable: Awaitable[T]) -> T:
        results: list[T] = []
        failures: list[Any] = []
        Deferred.fromCoroutine(_of(awaitable)).addCallbacks(results.append, failures.append)
        self._machine.run(600, lambda: bool(results or failures))
        if failures:
            failures[0].raiseException()
        return results[0]


async def _of(awaitable: Awaitable[T]) -> T:
    return await awaitable


def _unrelated(takes: list[frozenset[bytes]]) -> int:
    """How many of them share an id with none of those before: a repeat is known by its id."""
    seen: set[bytes] = set()
    count = 0
    for ids in takes:
        count += seen.isdisjoint(ids)
        seen |= ids
    return count


def _number(content: bytes) -> int:
    """Of the letter, from the Message-ID that a client gave it."""
    return int(content.partition(b"Message-ID: <")[2].partition(b"@")[0])


def _subscribe(tx: Transaction) -> int:
    domains.add(tx, "a.example", DomainSettings(home=("home.a.example:25",), home_tls="off"))
    domain = domains.known(tx, "a.example")
    for address in USERS:
        users.add_user(tx, domain=domain.id, address=parse(address), status="active")
    return domain.id
