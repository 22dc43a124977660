"""Rounds of load and kill -9 on one data folder, and the judgement of what came of them."""

from __future__ import annotations

import random
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.app.server import Server
from tests.crash.home import Home, Moods
from tests.crash.letters import Books
from tests.crash.power import Power
from tests.crash.senders import Senders
from tests.crash.users import Dead, User
from tests.journeys.world import CONFIGURATION, World

# From home's 250 to its being written down, on a busy machine; killed within it, the letter is in doubt.
SETTLE = 2.0
STARTED_WITHIN = 120.0  # s, on a machine however busy
STARTED_FOR = 5.0  # s of a processor; a quiet machine starts in little more than one
DRAINED_WITHIN = 120.0  # s, after everything has healed


@dataclass
class Figures:
    """Of all rounds."""

    rounds: int = 0
    kills: int = 0
    stops: int = 0  # by SIGTERM
    early_kills: int = 0  # during a start
    slowest_start: float = 0.0
    dearest_start: float = 0.0  # s of a processor
    acknowledged: int = 0
    octets: int = 0
    at_home: int = 0
    deleted: int = 0
    several: int = 0  # that home has more than once, in doubt
    unsynced: int = 0  # writes that a loss of power could undo
    commands: int = 0  # of users, answered OK
    drains: list[float] = field(default_factory=list)


class Rounds:
    """A server, its home and its users. ``seed`` decides what they do; when, real processes decide."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        *,
        store: str = "",
        users: int = 6,
        senders: int = 6,
        power: bool = False,
        lies: str = "",
    ) -> None:
        """``power``: with the process the machine goes, too (power.py)."""
        self.figures = Figures()
        self.books = Books()
        self._seed = seed
        self._senders_count = senders
        self._chance = random.Random(f"rounds {seed}")
        self._page = 0
        self.home = Home(self.books)
        self.server = Server(folder, CONFIGURATION + store)
        self.power = Power(folder / "data", random.Random(f"power {seed}"), lies=lies) if power else None
        if self.power is not None:
            self.server.environment.update(self.power.environment)
        self._begin = 0  # of the log of this process
        self._start()
        self.world = World(self.server, self.home)
        addresses = [self.world.anna, self.world.ben]
        addresses += [f"user{number}@{self.world.domain}" for number in range(users - 2)]
        self._register(addresses[2:])
        self.users = [
            User(self.books, lambda: self.server.ports["imap"], address, seed, number)
            for number, address in enumerate(addresses)
        ]
        self._addresses = addresses
        self._load()

    def _register(self, addresses: list[str]) -> None:
        csv = self.server.folder / "users.csv"
        csv.write_text("address,name,aliases,password\n" + "".join(f"{one},,,secret\n" for one in addresses))
        self.world.cli("user", "import", str(csv))

    def _load(self) -> None:
        self._page += 1
        seed = self._seed * 1000 + self._page
        strangers = [f"stranger{number}@{self.world.domain}" for number in range(3)]
        self.senders = Senders(
            self.books,
            lambda: self.server.ports["smtp"],
            self._addresses,
            strangers,
            count=self._senders_count,
            seed=seed,
            first=self._page * 100_000,
        )
        self.moods = Moods(self.home, random.Random(f"home {seed}"))

    # One round

    def round(self) -> str:
        """Load, then death, then a start. What happened, in a line."""
        chance = self._chance
        before = self.books.acknowledged
        time.sleep(chance.uniform(0.1, 1.0))
        if chance.random() < 0.3:
            self.world.cli(*chance.choice([("queue", "retry"), ("track", "--limit", "50"), ("queue", "list")]))
            time.sleep(chance.uniform(0.0, 0.3))
        how = self._stop() if chance.random() < 0.1 else self._kill()
        while chance.random() < 0.15:
            how += ", " + self._kill_early(chance.uniform(0.0, 1.3))
        started = self._start()
        self.world.report()  # it adds up at every moment
        self.figures.rounds += 1
        fresh = self.books.acknowledged - before
        return f"{how}; up again after {started:.1f} s; home is {self.home.mood}; {fresh} answered 250"

    def _start(self) -> float:
        begun = time.monotonic()
        self._begin = self.server.log.stat().st_size if self.server.log.exists() else 0
        self.server.start(STARTED_WITHIN)
        seconds = time.monotonic() - begun
        self.figures.slowest_start = max(self.figures.slowest_start, seconds)
        computed = self.server.processor_seconds
        self.figures.dearest_start = max(self.figures.dearest_start, computed)
        if computed > STARTED_FOR:
            self.books.fault(f"a start took {computed:.1f} s of a processor")
        return seconds

    def _kill(self) -> str:
        self._note_kill()
        self.server.stop(signal.SIGKILL)
        self.figures.kills += 1
        self._read_log()
        return "killed" + self._cut_power()

    def _kill_early(self, seconds: float) -> str:
        self._begin = self.server.log.stat().st_size
        self.server.launch()
        time.sleep(seconds)
        self._note_kill()
        self.server.stop(signal.SIGKILL)
        self.figures.early_kills += 1
        self._read_log()
        return f"killed {seconds:.1f} s into its start" + self._cut_power()

    def _cut_power(self) -> str:
        if self.power is None:
            return ""
        pending = self.power.cut()
        self.figures.unsynced += pending
        return f" ({pending} writes not synced)"

    def _stop(self) -> str:
        begun = time.monotonic()
        status = self.server.stop()
        self.figures.stops += 1
        if status != 0:
            self.books.fault(f"SIGTERM: exit {status}")
        self._read_log()
        if self.power is not None:
            self.power.forget()
        return f"stopped within {time.monotonic() - begun:.1f} s"

    def _note_kill(self) -> None:
        with self.books.lock:
            self.books.kills.append(time.monotonic())

    def _read_log(self) -> None:
        text = self.server.said(self._begin)
        if "Traceback" in text:
            start = max(0, text.index("Traceback") - 500)
            self.books.fault(f"the log has a traceback: {text[start : start + 3000]}")

    # The judgement

    def judge(self) -> str:
        """Everything comes to rest; faults are in the books. What was found, in a line."""
        self.senders.quiet()
        self.moods.end()
        for user in self.users:
            user.rest()
        kept = {(letter, user.address) for user in self.users for letter in self._look(user)}
        self._missing("neither at home nor in a mailbox, in an outage", self.books.lost(kept))
        self.moods.heal()
        begun = time.monotonic()
        left = self.senders.finish(DRAINED_WITHIN)
        if left:
            self.books.fault(f"{left} letters are still not taken: {self.senders.replies}")
        self._drain()
        self.figures.drains.append(time.monotonic() - begun)
        self._missing("not at home although all is drained", self.books.lost())
        several, faults = self.books.doubled(SETTLE)
        self.books.faults.extend(faults)
        self._ledger()
        for user in self.users:
            self._look(user)
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
        if self.server.running:
            self.server.stop()
            self._read_log()
        self.home.stop()

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
        while (report := self.world.report())["owed"]:
            if time.monotonic() > until:
                self.books.fault(f"still owed: {report}; {self.world.cli('queue', 'list')[:3]}")
                return
            time.sleep(0.1)

    def _ledger(self) -> None:
        """What is not at home is in the ledger as deleted, and nothing as anything else."""
        report = self.world.report()
        here = set(self.books.open()) - self.books.at_home().keys()
        for name in ("failed", "expired", "released"):
            if report[name]:
                self.books.fault(f"the ledger has {report[name]} {name}: {report}")
        deleted = report["deleted"] - self.figures.deleted
        if len(here) > deleted:
            self.books.fault(f"{len(here)} are not at home, but the ledger says deleted {deleted}: {sorted(here)[:20]}")

    def _count(self, several: int, at_home: int) -> None:
        figures = self.figures
        figures.deleted = self.world.report()["deleted"]
        figures.acknowledged, figures.octets = self.books.acknowledged, self.books.octets
        figures.at_home += at_home
        figures.several += several
        figures.commands = sum(sum(user.done.values()) for user in self.users)
