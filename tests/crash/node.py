"""One server process after the other on the same data: started, killed, stopped, and what its log says."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.app.running import Server
from tests.crash.letters import Books
from tests.crash.power import Power

STARTED_WITHIN = 120.0  # s, on a machine however busy
STARTED_FOR = 5.0  # s of a processor; a quiet machine starts in little more than one


@dataclass
class Figures:
    """Of all rounds."""

    rounds: int = 0
    kills: int = 0
    stops: int = 0  # by SIGTERM
    early_kills: int = 0  # during a start
    database_kills: int = 0
    fillings: int = 0  # of a disk
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


class Node:
    """``power``: with the process the machine goes, too (power.py); ``lies`` as there."""

    def __init__(
        self,
        folder: Path,
        configuration: str,
        books: Books,
        figures: Figures,
        *,
        power: random.Random | None = None,
        lies: str = "",
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.server = Server(folder, configuration)
        self._books = books
        self._figures = figures
        self._begin = 0  # of the log of this process
        self._power = Power(folder / "data", power, lies=lies) if power is not None else None
        if self._power is not None:
            self.server.environment.update(self._power.environment)

    def start(self) -> float:
        """How long it took, s."""
        begun = time.monotonic()
        self._begin = self.server.log.stat().st_size if self.server.log.exists() else 0
        self.server.start(STARTED_WITHIN)
        seconds, computed = time.monotonic() - begun, self.server.processor_seconds
        figures = self._figures
        figures.slowest_start = max(figures.slowest_start, seconds)
        figures.dearest_start = max(figures.dearest_start, computed)
        if computed > STARTED_FOR:
            self._books.fault(f"a start took {computed:.1f} s of a processor")
        return seconds

    def kill(self) -> str:
        self._figures.kills += 1
        return "killed" + self._kill()

    def kill_early(self, seconds: float) -> str:
        """So long after the begin of a start, which may not have come to its end."""
        self._begin = self.server.log.stat().st_size
        self.server.launch()
        time.sleep(seconds)
        self._figures.early_kills += 1
        return f"killed {seconds:.1f} s into its start" + self._kill()

    def stop(self) -> str:
        begun = time.monotonic()
        status = self.server.stop()
        self._figures.stops += 1
        if status != 0:
            self._books.fault(f"SIGTERM: exit {status}")
        self.read_log()
        if self._power is not None:
            self._power.forget()
        return f"stopped within {time.monotonic() - begun:.1f} s"

    def read_log(self) -> None:
        text = self.server.said(self._begin)
        if "Traceback" in text:
            start = max(0, text.index("Traceback") - 500)
            self._books.fault(f"the log has a traceback: {text[start : start + 3000]}")

    def _kill(self) -> str:
        self._books.killed()
        self.server.stop(signal.SIGKILL)
        self.read_log()
        if self._power is None:
            return ""
        pending = self._power.cut()
        self._figures.unsynced += pending
        return f" ({pending} writes not synced)"


Port = Callable[[], int]


def port(nodes: list[Node], door: str, chance: random.Random) -> int:
    """Of one that runs, as a load balancer would choose; of any, where none does."""
    running = [node for node in nodes if node.server.running and node.server.ports] or nodes
    return chance.choice(running).server.ports.get(door, 1)
