"""A home server with moods, which keeps books instead of mail."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

from tests.crash import letters
from tests.crash.letters import Books, Take
from tests.fakes.home import (
    HANG_UP,
    SILENCE,
    TAKEN_THEN_HANG_UP,
    TAKEN_THEN_SILENCE,
    THROTTLE,
    Received,
    ScriptedHome,
    Stage,
    say,
    taken_late,
)
from tests.journeys.world import TIMEOUT

_IN_TIME = TIMEOUT / 2  # a later reply may come when nobody waits for it any more

_NOT_NOW = say("451 4.3.0 not now")


class Home(ScriptedHome):
    def __init__(self, books: Books) -> None:
        self._books = books
        self.mood = "up"
        self._under_way: dict[int, Take] = {}  # messages whose reply was not said yet, by their id()
        super().__init__()
        self.offers = ["PIPELINING", "8BITMIME", "SIZE 52428800", "ENHANCEDSTATUSCODES"]

    def record(self, message: Received) -> None:
        try:
            number, _ = letters.read(message.data)
        except AssertionError as error:
            self._books.fault(f"home was sent {error}")
            return
        ids = frozenset(message.headers.get_all("X-MPContinuity-Id", []))
        if not ids:
            self._books.fault(f"letter {number} came home without an id")
        take = Take(number, ids, tuple(message.recipients), time.monotonic(), self.mood)
        with self._books.lock:
            self._books.takes.append(take)
            self._under_way[id(message)] = take

    def said(self, message: Received, reply: str) -> None:
        take = self._under_way.pop(id(message), None)
        if take is not None and reply.startswith("2") and time.monotonic() - take.time < _IN_TIME:
            with self._books.lock:
                self._books.heard.add(id(take))

    def note(self, number: int, line: str) -> None:
        """Commands are of no interest here, and many."""

    def drop_sessions(self) -> None:
        with self._books.lock:
            self._books.cuts.append(time.monotonic())
        super().drop_sessions()


class Moods:
    """Changes the mood of home now and then, in a thread of its own, until `end`."""

    def __init__(self, home: Home, chance: random.Random) -> None:
        self._home = home
        self._chance = chance
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Home is away, and stays so."""
        self._ended.set()
        self._thread.join()
        self._change(("away", 0, lambda home, _: home.stop()))

    def heal(self) -> None:
        """After `end`: home is up, and stays so."""
        self._change(_MOODS[0])

    def _run(self) -> None:
        weights = [weight for _, weight, _ in _MOODS]
        while not self._ended.wait(self._chance.uniform(0.1, 1.2)):
            self._change(self._chance.choices(_MOODS, weights)[0])

    def _change(self, mood: Mood) -> None:
        home = self._home
        was = home.mood
        # What is under way in the old mood must not be taken for something that was said in the new one.
        home.mood = "changing"
        home.clear()
        if was not in ("up", "slow"):
            home.drop_sessions()  # what hangs would be waited for, up to 10 minutes
        home.start()
        mood[2](home, self._chance)
        home.mood = mood[0]


def _away(home: Home, chance: random.Random) -> None:
    home.stop(sessions=chance.random() < 0.7)


def _tempfails(home: Home, chance: random.Random) -> None:
    stage: Stage = chance.choice(["mail", "rcpt", "data", "message"])
    home.on(stage, _NOT_NOW)


def _hangs(home: Home, chance: random.Random) -> None:
    stage: Stage = chance.choice(["connect", "greeting", "mail", "rcpt", "message"])
    home.on(stage, SILENCE)


def _hangs_up(home: Home, chance: random.Random) -> None:
    stage: Stage = chance.choice(["connect", "rcpt", "data", "message"])
    home.on(stage, HANG_UP)


def _loses_replies(home: Home, chance: random.Random) -> None:
    lost = chance.choice([TAKEN_THEN_HANG_UP, TAKEN_THEN_SILENCE, taken_late(TIMEOUT * 1.5)])
    home.on("message", lost, times=chance.choice([1, 3, None]))


def _throttles(home: Home, chance: random.Random) -> None:
    home.on(chance.choice(["greeting", "mail"]), THROTTLE)


def _slow(home: Home, chance: random.Random) -> None:
    home.on("message", say("250 2.0.0 taken", wait=chance.uniform(0.01, 0.1)))


def _up(home: Home, chance: random.Random) -> None:
    pass


Mood = tuple[str, int, Callable[[Home, random.Random], None]]

_MOODS: list[Mood] = [
    ("up", 6, _up),
    ("slow", 3, _slow),
    ("away", 5, _away),
    ("tempfails", 2, _tempfails),
    ("hangs", 2, _hangs),
    ("hangs up", 2, _hangs_up),
    ("loses replies", 3, _loses_replies),
    ("throttles", 1, _throttles),
]
