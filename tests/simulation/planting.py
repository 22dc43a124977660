"""``scripts/plant``: plants each bug, and plays seeds until it is found; exit 1 where one is not."""

from __future__ import annotations

import multiprocessing
import sys
import time
from dataclasses import dataclass

import click

import tests.simulation.bugs
import tests.simulation.sending_bugs
import tests.simulation.writing_bugs  # noqa: F401  registers them
from tests.simulation.__main__ import begin, play
from tests.simulation.planted import BUGS


@dataclass
class Found:
    bug: str
    seed: int = -1
    fault: str = ""
    seconds: float = 0.0
    played: int = 0


def hunt(bug: str, first: int, seeds: int) -> Found:
    """Plays until it is found."""
    found = Found(bug)
    begun = time.monotonic()
    for seed in range(first, first + seeds):
        found.played += 1
        if faults := play("service", bug, seed).faults:
            found.seed, found.fault = seed, faults[0]
            break
    found.seconds = time.monotonic() - begun
    return found


@click.command()
@click.option("--seeds", default=400, show_default=True, help="How many a bug may hide from.")
@click.option("--first", default=0, show_default=True, help="The first of them.")
@click.option("--jobs", default=1, show_default=True, help="Processes that play them.")
@click.argument("bugs", nargs=-1, metavar="[BUG]...")
def main(seeds: int, first: int, jobs: int, bugs: tuple[str, ...]) -> None:
    wanted = bugs or tuple(BUGS)
    if unknown := set(wanted) - set(BUGS):
        raise click.UsageError(f"no such bug: {', '.join(sorted(unknown))}; there are {', '.join(BUGS)}")
    hidden = 0
    width = max(map(len, wanted))
    with multiprocessing.get_context("fork").Pool(jobs, begin, maxtasksperchild=1) as pool:
        hunts = [pool.apply_async(hunt, (bug, first, seeds)) for bug in wanted]
        for each in hunts:
            found = each.get()
            if found.seed < 0:
                hidden += 1
                what = f"NOT FOUND in {found.played} seeds"
            else:
                what = f"seed {found.seed}: {' '.join(found.fault.split())[:150]}"
            click.echo(f"{found.bug:{width}}  {found.seconds:6.1f} s  {what}")
    click.echo(f"{len(wanted) - hidden} of {len(wanted)} planted bugs found")
    sys.exit(1 if hidden else 0)


if __name__ == "__main__":
    main()
