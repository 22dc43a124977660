"""``scripts/simulate``: as many seeds as one has patience for, on all processors; exit 1 if one finds something."""

from __future__ import annotations

import multiprocessing
import sys
import time
import traceback
from functools import partial

import click

from tests.simulation.keeping import Keeping
from tests.simulation.service import Journey

STORIES: dict[str, type[Journey] | type[Keeping]] = {"service": Journey, "store": Keeping}
BUGS: dict[str, dict[str, bool]] = {
    "none": {},
    "answer-before-sync": {"lying_sync": True},
    "unsynced-commit": {"durable_commits": False},
}


def play(story: str, bug: str, seed: int) -> tuple[int, list[str]]:
    try:
        return seed, STORIES[story](seed, **BUGS[bug]).run()
    except Exception:
        return seed, [traceback.format_exc()]


@click.command()
@click.option("--seeds", default=500, show_default=True, help="How many.")
@click.option("--first", default=0, show_default=True, help="The first of them.")
@click.option("--story", default="service", show_default=True, type=click.Choice(list(STORIES)))
@click.option("--bug", default="none", type=click.Choice(list(BUGS)), help="A planted bug, to see that it is found.")
def main(seeds: int, first: int, story: str, bug: str) -> None:
    started = time.monotonic()
    found = 0
    with multiprocessing.Pool() as pool:
        for seed, faults in pool.imap_unordered(partial(play, story, bug), range(first, first + seeds)):
            for fault in faults:
                click.echo(f"seed {seed}: {fault}")
            found += bool(faults)
    click.echo(f"{seeds} seeds in {time.monotonic() - started:.0f} s: {found} found something wrong")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
