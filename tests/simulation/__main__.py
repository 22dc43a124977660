"""``scripts/simulate``: as many seeds as one has patience for, in all processors; exit 1 if one finds something."""

from __future__ import annotations

import multiprocessing
import sys
import time
from functools import partial

import click

from tests.simulation.keeping import Keeping

BUGS = {"": {}, "answer-before-sync": {"lying_sync": True}, "unsynced-commit": {"durable_commits": False}}


def play(bug: str, seed: int) -> tuple[int, list[str]]:
    return seed, Keeping(seed, **BUGS[bug]).run()


@click.command()
@click.option("--seeds", default=1000, show_default=True, help="How many.")
@click.option("--first", default=0, show_default=True, help="The first of them.")
@click.option("--bug", default="", type=click.Choice(list(BUGS)), help="A planted bug, to see that it is found.")
def main(seeds: int, first: int, bug: str) -> None:
    started = time.monotonic()
    found = 0
    with multiprocessing.Pool() as pool:
        for seed, faults in pool.imap_unordered(partial(play, bug), range(first, first + seeds), chunksize=5):
            for fault in faults:
                click.echo(f"seed {seed}: {fault}")
            found += bool(faults)
    click.echo(f"{seeds} seeds in {time.monotonic() - started:.0f} s: {found} found something wrong")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
