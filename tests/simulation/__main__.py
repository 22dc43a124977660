"""``scripts/simulate``: as many seeds as one has patience for; exit 1 if one finds something."""

from __future__ import annotations

import gc
import multiprocessing
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import click
from twisted.logger import globalLogBeginner

import tests.simulation.bugs
import tests.simulation.sending_bugs
import tests.simulation.writing_bugs  # noqa: F401  registers them
from tests.simulation import replays
from tests.simulation.keeping import Keeping
from tests.simulation.planted import BUGS, planted
from tests.simulation.play import Play, Result
from tests.simulation.shrink import Shrinking
from tests.simulation.story import story_of

_PROGRESS = 60.0  # seconds between two signs of life
_GARBAGE = 8  # seeds between two collections: each leaves a process or more behind


STORIES: dict[str, Callable[[int], Result]] = {
    "service": lambda seed: Play(story_of(seed)).run(),
    "store": lambda seed: Keeping(seed).run(),
    "replays": lambda seed: replays.play(list(replays.REPLAYS.values())[seed % len(replays.REPLAYS)]),
}


def play(story: str, bug: str, seed: int) -> Result:
    """What one seed comes to; also where the simulation itself breaks."""
    try:
        with planted(bug):
            result = STORIES[story](seed)
    except Exception:
        result = Result(seed, [traceback.format_exc()], 0.0, "")
    if seed % _GARBAGE == 0:
        gc.collect()
    return result


def begin() -> None:
    """Nothing of what is there before the first seed is ever looked at by the collector, which else takes a tenth."""
    gc.collect()
    gc.freeze()
    gc.disable()
    _be_quiet()


def _be_quiet() -> None:
    """What dead processes of finished stories still say when they are collected is nobody's concern: whatever they
    waited for is thrown away then, in any order."""
    globalLogBeginner.beginLoggingTo([], discardBuffer=True, redirectStandardIO=False)


@click.command()
@click.option("--seeds", default=500, show_default=True, help="How many.")
@click.option("--first", default=0, show_default=True, help="The first of them.")
@click.option("--fresh", is_flag=True, help="The first of them by date and commit: others every time, said for replay.")
@click.option("--jobs", default=1, show_default=True, help="Processes that play them.")
@click.option("--story", default="service", show_default=True, type=click.Choice(list(STORIES)))
@click.option("--bug", default="", type=click.Choice(["", *BUGS]), help="A planted bug, to see that it is found.")
@click.option("--until-found", is_flag=True, help="Ends with the first seed that finds something.")
@click.option("--tell", type=int, metavar="SEED", help="The story of that seed, with its trace.")
@click.option("--shrink", type=int, metavar="SEED", help="The shortest story that fails as this seed does.")
def main(
    seeds: int,
    first: int,
    fresh: bool,
    jobs: int,
    story: str,
    bug: str,
    until_found: bool,
    tell: int | None,
    shrink: int | None,
) -> None:
    if tell is not None or shrink is not None:
        _be_quiet()
        with planted(bug):
            sys.exit(_shrink(shrink) if shrink is not None else _tell(story_of(tell or 0)))
    if fresh:
        first = _fresh()
    started = time.monotonic()
    found = played = 0
    simulated, said = 0.0, started
    with multiprocessing.get_context("fork").Pool(jobs, begin) as pool:
        for result in pool.imap_unordered(partial(play, story, bug), range(first, first + seeds), chunksize=4):
            played += 1
            simulated += result.simulated
            for fault in result.faults:
                click.echo(f"seed {result.seed}: {fault}")
            found += bool(result.faults)
            if found and until_found:
                break
            if time.monotonic() - said >= _PROGRESS:
                said = time.monotonic()
                click.echo(f"{played} of {seeds} seeds, {found} found something wrong", err=True)
    minutes = (time.monotonic() - started) / 60
    click.echo(
        f"{played} seeds from {first} on: {found} found something wrong. {simulated / 3600:.0f} simulated hours in"
        f" {minutes:.1f} minutes, {simulated / 3600 / minutes:.0f} hours per minute;"
        f" {minutes * 60 / played * jobs:.2f} s per seed and job"
    )
    sys.exit(1 if found else 0)


def _fresh() -> int:
    """The day and the number of commits, where there is a repository to ask."""
    asked = subprocess.run(["git", "rev-list", "--count", "HEAD"], capture_output=True, text=True, check=False)
    commits = int(asked.stdout) if asked.returncode == 0 else 0
    return int(f"{datetime.now(UTC):%Y%m%d}") * 10_000_000 + commits * 1000


def _shrink(seed: int) -> int:
    shrinking = Shrinking(story_of(seed), say=lambda text: click.echo(text, err=True))
    shortest = shrinking.run()
    if shortest is None:
        click.echo(f"seed {seed} finds nothing wrong")
        return 0
    return _tell(shortest)


def _tell(story: object) -> int:
    told: Result = Play(story, traced=True).run()  # type: ignore[arg-type]
    click.echo(str(story))
    click.echo("\n".join(["", *told.trace]))
    click.echo(f"\n{len(told.faults)} faults; the trace's fingerprint is {told.fingerprint}")
    for fault in told.faults:
        click.echo(f"- {fault}")
    return 1 if told.faults else 0


if __name__ == "__main__":
    main()
