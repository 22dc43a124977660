"""The whole service in simulated time: fresh stories, the same story again, and stories of planted bugs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.planted import BUGS, planted
from tests.simulation.play import Play
from tests.simulation.shrink import Shrinking, kinds
from tests.simulation.story import story_of

ROOT = Path(__file__).parents[2]


# Users send in 25; in 65 one moves a report by APPEND and EXPUNGE, which was taken for a deletion.
@pytest.mark.parametrize("seed", [*range(18), 25, 65])
def test_nothing_is_lost_or_doubled_or_shown_to_others(seed: int) -> None:
    assert Play(story_of(seed)).run().faults == []


def test_a_seed_replays_exactly_in_this_process_and_in_another() -> None:
    """A story with everything in it: crashes, cuts, full disks, jumps, users and administrators."""
    seed = next(
        seed
        for seed in range(1000)
        if {event.what for event in story_of(seed).events}
        >= {"letter", "mood", "weather", "crash", "full", "jump", "reads", "admin"}
    )
    first = Play(story_of(seed), traced=True).run()
    again = Play(story_of(seed), traced=True).run()
    assert again.trace == first.trace
    assert again.fingerprint == first.fingerprint
    script = (
        "from tests.simulation.play import Play\nfrom tests.simulation.story import story_of\n"
        f"print(Play(story_of({seed}), traced=True).run().fingerprint)"
    )
    other = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout.strip() == first.fingerprint


# These need many stories before one shows them.
_LONG = {"lifted-is-released", "in-flight-is-owed"}


@pytest.mark.parametrize("bug", [pytest.param(bug, marks=[pytest.mark.long] * (bug in _LONG)) for bug in BUGS])
def test_a_planted_bug_is_found(bug: str) -> None:
    with planted(bug):
        assert any(Play(story_of(seed)).run().faults for seed in range(200))


def test_a_failing_story_is_shrunk_to_few_events_that_fail_in_the_same_way() -> None:
    with planted("forgets-answers"):
        seed = next(seed for seed in range(200) if Play(story_of(seed)).run().faults)
        story = story_of(seed)
        wanted = kinds(Play(story).run())
        shortest = Shrinking(story, most=200).run()
        assert shortest is not None
        assert kinds(Play(shortest).run()) & wanted
        assert len(shortest.events) <= len(story.events) // 4
