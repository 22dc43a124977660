"""Outages as they really were, replayed in simulated time, each with a home server that is scripted from the facts.

In every replay the state is right within a minute of each real phase and changes once for it, no message is lost or
bounced, and none is held up for longer than ten seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.simulation.play import Play, Result
from tests.simulation.sender import Habits
from tests.simulation.story import DomainPlan, Event, Story

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
WITHIN = 60.0  # seconds until the state is right
HELD = 10.0  # seconds that a message may wait for home
_ROUND_TRIPS = 0.5  # seconds that the simulated network takes for a dialogue of a client with us
BUSY = 80.0  # seconds at the begin of a phase in which messages come often
HOST = "home1.a.example"
USERS = ("ann@a.example", "bob@a.example", "eve@a.example")


@dataclass(frozen=True)
class Phase:
    """From ``at`` on (seconds) the home server is in a mood, and the state should be ``up`` or ``down``."""

    at: float
    mood: str
    state: str = "up"


@dataclass(frozen=True)
class Replay:
    """``every`` is the seconds between two messages; ``changes`` the most changes of state in a phase."""

    phases: tuple[Phase, ...]
    until: float
    every: float
    names: tuple[tuple[float, str], ...] = ()  # what becomes of home's name, and when
    changes: int = 1
    steady: bool = True  # the state is right all through the phase

    def story(self) -> Story:
        usual = [number * self.every for number in range(int(self.until / self.every))]
        busy = [phase.at + second for phase in self.phases for second in range(0, int(BUSY), 4)]
        letters = [
            Event(
                at + 0.5,
                "letter",
                f"sender {number % 4}",
                (number, f"c{number}@client.example", (USERS[number % 3],), 300),
            )
            for number, at in enumerate(sorted([*usual, *busy]), 1)
        ]
        moods = [Event(phase.at, "mood", HOST, (phase.mood,)) for phase in self.phases]
        names = [Event(at, "names", HOST, (what,)) for at, what in self.names]
        events = sorted([*letters, *moods, *names], key=lambda event: event.at)
        plan = DomainPlan("a.example", (HOST,), (("home", HOST), ("home-tls", "off")), USERS, (), ())
        return Story(1, (plan,), (Habits(keeps=0.0),) * 4, tuple(events))


def gateway(put_off: float) -> Replay:
    """Home puts off every message of ours for so many seconds, and then bans our address for an hour."""
    banned = 1 * HOUR + put_off
    return Replay(
        (
            Phase(0, "well"),
            Phase(1 * HOUR, "takes nothing from the network", "down"),
            Phase(banned, "bans us", "down"),
            Phase(banned + HOUR, "well"),
        ),
        banned + 2 * HOUR,
        1200.0,
    )


REPLAYS = {
    "a large provider serves some connections for hours, with two relapses": Replay(
        (
            Phase(0, "well"),
            Phase(0.5 * HOUR, "serves one of two", "down"),
            Phase(3 * HOUR, "well"),
            Phase(3.5 * HOUR, "serves four of five", "down"),
            Phase(5 * HOUR, "well"),
            Phase(5.5 * HOUR, "serves one of five", "down"),
            Phase(6.5 * HOUR, "well"),
        ),
        7 * HOUR,
        45.0,
        names=(
            (0.1, "203.0.113.1"),
            (0.3 * HOUR, "fails"),
            (0.4 * HOUR, "well"),
            (1 * HOUR, "fails"),
            (2 * HOUR, "well"),
            (2.5 * HOUR, "203.0.113.2"),
            (4 * HOUR, "fails"),
            (4.5 * HOUR, "well"),
            (6.6 * HOUR, "203.0.113.3"),
        ),
    ),
    "a gateway is put off for four and a half days and banned for an hour": gateway(4.5 * DAY),
    "home bans our address for an hour": Replay(
        (Phase(0, "well"), Phase(600, "bans us", "down"), Phase(600 + HOUR, "well")), 2 * HOUR, 60.0
    ),
    "home tarpits every reply": Replay(
        (Phase(0, "well"), Phase(600, "tarpits"), Phase(2 * HOUR, "well")), 3 * HOUR, 20.0
    ),
    "home fails every other connection": Replay(
        (Phase(0, "well"), Phase(600, "fails every other connection", "down"), Phase(600 + HOUR, "well")),
        2 * HOUR,
        20.0,
        changes=4,
        steady=False,
    ),
}


def play(replay: Replay) -> Result:
    """What a replay comes to; its faults are those of any story, and what this module promises beyond them."""
    story = Play(replay.story(), look=60.0)
    result = story.run()
    if not result.faults:
        result.faults += [*_wrong_states(replay, story), *_wrong_messages(story)]
    return result


def _wrong_states(replay: Replay, story: Play) -> Iterator[str]:
    begun = min(attempt.begun for letter in story.letters.values() for attempt in letter.attempts) - 0.5
    changes = [(0.0, "up")]
    for at, state in story.states:
        shown = "down" if state == "down" else "up"
        if shown != changes[-1][1]:
            changes.append((at - begun, shown))
    ends = [*(phase.at for phase in replay.phases[1:]), replay.until]
    for phase, end in zip(replay.phases, ends, strict=True):
        within = [(at, state) for at, state in changes[1:] if phase.at <= at < end]
        if len(within) > replay.changes:
            yield f"the state changed {len(within)} times while home {phase.mood}: {within}"
        settled = [state for at, state in changes if at <= phase.at + WITHIN][-1]
        if replay.steady and settled != phase.state:
            yield f"the state was {settled} when home {phase.mood} for a minute: {changes}"


def _wrong_messages(story: Play) -> Iterator[str]:
    at_home = {taken.number for taken in story.homes["a.example"].taken}
    for letter in story.letters.values():
        first = letter.attempts[0]
        if first.code != 250:
            yield f"letter {letter.number} was answered {first.code}"
        if first.ended - first.begun > HELD + _ROUND_TRIPS:
            yield f"letter {letter.number} was held up for {first.ended - first.begun:.1f} s"
        if letter.refused:
            yield f"letter {letter.number} was bounced: {letter.refused}"
        if letter.number not in at_home:
            yield f"letter {letter.number} never reached home"
