"""Rounds of load and kill -9 on the same data, and the judgement of what came of them."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from tests.crash.home import Home, Moods
from tests.crash.letters import Books
from tests.crash.node import Figures, Node, port
from tests.crash.senders import Senders
from tests.crash.users import Dead, User
from tests.fakes.mounts import SmallDisk
from tests.fakes.postgresql import Cluster
from tests.journeys.world import CONFIGURATION, World

# From home's 250 to its being written down, on a busy machine; killed within it, the letter is in doubt.
SETTLE = 2.0
DRAINED_WITHIN = 240.0  # s, after everything has healed
_ACROSS_NODES = 0.3  # s until one surely knows what another did

_MANY = "".join(f"{what}_per_minute = 1000000\n" for what in ("connections", "commands", "messages", "refusals"))
_FLOOR = 4 << 20  # octets of free space below which no mail is taken, on small disks


@dataclass(frozen=True)
class Plan:
    """What is played. ``seed`` decides what everybody does; when, real processes decide."""

    seed: int
    database: str = "sqlite"  # or "postgresql": with fsync, and killed at times
    messages: str = "files"  # or "database"
    nodes: int = 1
    power: bool = False
    lies: str = ""
    full: bool = False  # small disks, full at times
    users: int = 6
    senders: int = 6


class Rounds:
    def __init__(self, folder: Path, plan: Plan) -> None:
        self.figures = Figures()
        self.books = Books()
        self.plan = plan
        self._chance = random.Random(f"rounds {plan.seed}")
        self._ports = random.Random(f"ports {plan.seed}")
        self._page = 0
        self._stack = contextlib.ExitStack()
        self.home = self._stack.enter_context(Home(self.books))
        self.cluster = Cluster(durable=True) if plan.database == "postgresql" else None
        self._disks = self._small_disks(folder) if plan.full else []
        configuration = self._configuration()
        self.nodes = [
            Node(
                folder if plan.nodes == 1 else folder / f"node{number}",
                configuration,
                self.books,
                self.figures,
                power=random.Random(f"power {plan.seed}") if plan.power else None,
                lies=plan.lies,
            )
            for number in range(plan.nodes)
        ]
        for node in self.nodes:
            node.start()
        self.world = World(self.nodes[0].server, self.home)
        self._addresses = [self.world.anna, self.world.ben]
        self._addresses += [f"user{number}@{self.world.domain}" for number in range(plan.users - 2)]
        self._register(self._addresses[2:])
        patience = 0.05 if plan.nodes == 1 else _ACROSS_NODES
        self.users = [
            User(self.books, self._imap, address, plan.seed, number, patience=patience)
            for number, address in enumerate(self._addresses)
        ]
        self._load()

    def _small_disks(self, folder: Path) -> list[SmallDisk]:
        """One for the database, one for packs and spools."""
        return [self._stack.enter_context(SmallDisk(folder / path)) for path in ("data", "data/packs")]

    def _configuration(self) -> str:
        text = CONFIGURATION
        if self.cluster is not None:
            text += f'\n[store]\ndatabase = "{self.cluster.fresh_database()}"\nmessages = "{self.plan.messages}"\n'
        text += f"\n[limits]\n{_MANY}"  # all senders are one host
        if self.plan.full:
            text += f"free_space = {_FLOOR}\n"
        return text

    def _register(self, addresses: list[str]) -> None:
        csv = self.nodes[0].server.folder / "users.csv"
        csv.write_text("address,name,aliases,password\n" + "".join(f"{one},,,secret\n" for one in addresses))
        self.world.cli("user", "import", str(csv))

    def _smtp(self) -> int:
        return port(self.nodes, "smtp", self._ports)

    def _imap(self) -> int:
        return port(self.nodes, "imap", self._ports)

    def _load(self) -> None:
        self._page += 1
        seed = self.plan.seed * 1000 + self._page
        self.senders = Senders(
            self.books,
            self._smtp,
            self._addresses,
            [f"stranger{number}@{self.world.domain}" for number in range(3)],
            count=self.plan.senders,
            seed=seed,
            first=self._page * 100_000,
        )
        self.moods = Moods(self.home, random.Random(f"home {seed}"))

    # One round

    def round(self) -> str:
        """Load, then death, then a start. What happened, in a line."""
        chance = self._chance
        before = self.books.acknowledged
        self._wait_for_load(before + chance.randint(1, 30))
        time.sleep(chance.uniform(0.0, 1.0))
        if chance.random() < 0.3:
            self._command(*chance.choice([("queue", "retry"), ("track", "--limit", "50"), ("queue", "list")]))
            time.sleep(chance.uniform(0.0, 0.3))
        happened = [self._fill_a_disk()] if self._disks and chance.random() < 0.7 else []
        node = chance.choice(self.nodes)
        if self.cluster is not None and chance.random() < 0.3:
            happened.append(self._kill_database())
        if not happened or chance.random() < 0.7:
            happened.append(node.stop() if chance.random() < 0.1 else node.kill())
            while chance.random() < 0.15:
                happened.append(node.kill_early(chance.uniform(0.0, 1.3)))
            happened.append(f"up again after {node.start():.1f} s")
        self._report()  # it adds up at every moment
        self.figures.rounds += 1
        fresh = self.books.acknowledged - before
        return f"{', '.join(happened)}; home is {self.home.mood}; {fresh} answered 250"

    def _wait_for_load(self, acknowledged: int) -> None:
        """On a busy machine nothing happens for a while after a start; with home away and strangers alone, never."""
        until = time.monotonic() + 5
        while self.books.acknowledged < acknowledged and time.monotonic() < until:
            time.sleep(0.02)

    def _fill_a_disk(self) -> str:
        """And makes room again, perhaps only after the next start."""
        disk = self._chance.choice(self._disks)
        disk.fill(self._chance.choice([0, 0, 64, 3000]))
        self.figures.fillings += 1
        time.sleep(self._chance.uniform(0.1, 0.8))
        disk.make_room()
        time.sleep(self._chance.uniform(0.0, 0.3))
        return f"{disk.path.name} was full"

    def _kill_database(self) -> str:
        """Does `kill -9` to PostgreSQL's first process; the others end by themselves then."""
        assert self.cluster is not None
        begun = time.monotonic()
        self.books.killed()
        postmaster = int((self.cluster.folder / "data" / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        os.kill(postmaster, signal.SIGKILL)
        while any(Path(f"/proc/{child}").exists() for child in children):
            time.sleep(0.02)
        time.sleep(self._chance.uniform(0.0, 0.5))
        self.cluster.start()
        self.books.killed()
        self.figures.database_kills += 1
        return f"PostgreSQL killed and up again after {time.monotonic() - begun:.1f} s"

    def _command(self, *arguments: str) -> None:
        self.world.server = next(node.server for node in self.nodes if node.server.running)
        self.world.cli(*arguments)

    def _report(self) -> dict[str, int]:
        """The ledger, once the database answers again."""
        self.world.server = next(node.server for node in self.nodes if node.server.running)
        until = time.monotonic() + (0 if self.cluster is None else 30)
        while True:
            try:
                return self.world.report()
            except AssertionError:
                if time.monotonic() >= until:
                    raise
                time.sleep(0.2)

    # The judgement

    def judge(self) -> str:
        """Everything comes to rest; faults are in the books. What was found, in a line."""
        self.senders.quiet()
        self.moods.end()
        for user in self.users:
            user.rest()
        # What a stranger is owed has no mailbox.
        answered = [pair for pair in self.books.open() if pair[1] in self._addresses]
        time.sleep(_ACROSS_NODES)
        kept = {(letter, user.address) for user in self.users for letter in self._look(user)}
        self._missing("neither at home nor in a mailbox, in an outage", self.books.lost(answered, kept))
        self.moods.heal()
        begun = time.monotonic()
        left = self.senders.finish(DRAINED_WITHIN)
        if left:
            self.books.fault(f"{left} letters are still not taken: {self.senders.replies}")
        self._drain()
        self.figures.drains.append(time.monotonic() - begun)
        self._missing("not at home although all is drained", self.books.lost(self.books.open()))
        several, faults = self.books.doubled(SETTLE)
        self.books.faults.extend(faults)
        self._ledger()
        for user in self.users:
            self._look(user)
        for node in self.nodes:
            node.read_log()
        self._check()
        letters, at_home = len(self.books.letters), len(self.books.at_home())
        self._count(several, at_home)
        self.books.forget()
        return (
            f"judged {letters} letters: {at_home} came home (each recipient counted), "
            f"{several} of them more than once; drained in {self.figures.drains[-1]:.1f} s; "
            f"{len(self.books.faults)} faults"
        )

    def go_on(self) -> None:
        """After a judgement, with new letters."""
        self._load()
        for user in self.users:
            user.work_on()

    def close(self) -> None:
        self.senders.stop()
        for user in self.users:
            user.stop()
        for node in self.nodes:
            if node.server.running:
                node.server.stop()
                node.read_log()
        self._stack.close()
        if self.cluster is not None:
            self.cluster.stop()

    def _look(self, user: User) -> set[int]:
        try:
            return user.look()
        except Dead as error:
            self.books.fault(f"{user.address} cannot look at the mail: {error.__cause__}")
            return set()

    def _missing(self, what: str, lost: list[tuple[int, str]]) -> None:
        if lost:
            self.books.fault(f"LOST, {what}: {len(lost)}: {lost[:20]}")

    def _drain(self) -> None:
        until = time.monotonic() + DRAINED_WITHIN
        while (report := self._report())["owed"]:
            if time.monotonic() > until:
                self.books.fault(f"still owed: {report}; {self.world.cli('queue', 'list')[:3]}")
                return
            time.sleep(0.1)

    def _ledger(self) -> None:
        """What is not at home is in the ledger as deleted, and nothing as anything else."""
        report = self._report()
        here = set(self.books.open()) - self.books.at_home().keys()
        for name in ("failed", "expired", "released"):
            if report[name]:
                self.books.fault(f"the ledger has {report[name]} {name}: {report}")
        deleted = report["deleted"] - self.figures.deleted
        if len(here) > deleted:
            self.books.fault(f"{len(here)} are not at home, but the ledger says deleted {deleted}: {sorted(here)[:20]}")

    def _check(self) -> None:
        """Database, packs, mailboxes, ledger and tracking agree, every message is whole."""
        done = self.world.server.run("check")
        if done.returncode != 0:
            self.books.fault(f"check: {done.stdout[-2000:]} {done.stderr[-500:]}")

    def _count(self, several: int, at_home: int) -> None:
        figures = self.figures
        figures.deleted = self._report()["deleted"]
        figures.acknowledged, figures.octets = self.books.acknowledged, self.books.octets
        figures.at_home += at_home
        figures.several += several
        figures.commands = sum(sum(user.done.values()) for user in self.users)
