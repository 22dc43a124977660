"""``scripts/crash``: rounds of kill -9, a line each, and the numbers at the end."""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.crash.rounds import Plan, Rounds

_PAGE = 20  # rounds between two judgements


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/crash", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=None, help="what is done; when, real processes decide")
    parser.add_argument("--folder", type=Path, help="for the data, kept afterwards; default: a new one, removed")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--messages", choices=("files", "database"), default="files")
    parser.add_argument("--nodes", type=int, default=1, help="server processes, one of them killed in each round")
    parser.add_argument("--full", action="store_true", help="small disks (root), full at times")
    parser.add_argument("--power", action="store_true", help="the machine loses power: unsynced writes are undone")
    parser.add_argument("--lies", default="", help="with --power: plants a disk whose syncs of such files are no use")
    options = parser.parse_args()
    if options.nodes > 1 and (options.database, options.messages) != ("postgresql", "database"):
        parser.error("several nodes need --database postgresql --messages database")
    if options.messages == "database" and options.database == "sqlite":
        parser.error("--messages database needs --database postgresql")
    seed = random.SystemRandom().randrange(1_000_000) if options.seed is None else options.seed
    folder = options.folder or Path(tempfile.mkdtemp(prefix="mpcontinuity-crash-"))
    folder.mkdir(parents=True, exist_ok=True)
    print(f"seed {seed}, data in {folder}", flush=True)
    begun = time.monotonic()
    plan = Plan(
        seed,
        database=options.database,
        messages=options.messages,
        nodes=options.nodes,
        power=options.power,
        lies=options.lies,
        full=options.full,
    )
    rounds = Rounds(folder, plan)
    try:
        _play(rounds, options.rounds)
    except AssertionError as error:  # it does not start, mostly
        rounds.books.fault(f"{str(error)[-3000:]}")
    finally:
        rounds.close()
    return _summary(rounds, folder, seed, time.monotonic() - begun, keep=options.folder is not None)


def _play(rounds: Rounds, count: int) -> None:
    for number in range(1, count + 1):
        print(f"{number:4} {rounds.round()}", flush=True)
        last = number == count
        if number % _PAGE == 0 or last or rounds.books.faults:
            print(f"     {rounds.judge()}", flush=True)
        if rounds.books.faults:
            return
        if number % _PAGE == 0 and not last:
            rounds.go_on()


def _summary(rounds: Rounds, folder: Path, seed: int, seconds: float, *, keep: bool) -> int:
    figures = rounds.figures
    print(
        f"{figures.rounds} rounds in {seconds / 60:.1f} minutes: {figures.kills} kills, {figures.early_kills} during a "
        f"start, {figures.database_kills} of PostgreSQL; {figures.stops} stops, {figures.fillings} times a full disk, "
        f"{figures.unsynced} writes not synced; the slowest start took {figures.slowest_start:.1f} s, the dearest "
        f"{figures.dearest_start:.1f} s of a processor\n"
        f"{figures.acknowledged} answered 250 (recipients), {figures.octets >> 20} MiB; {figures.at_home} came home, "
        f"{figures.several} of them more than once, in doubt; {figures.deleted} deleted by their users; "
        f"{figures.commands} IMAP commands answered OK"
    )
    for fault in rounds.books.faults:
        print(f"FAULT {fault}")
    if rounds.books.faults:
        print(f"seed {seed}: {len(rounds.books.faults)} faults; data and log stay in {folder}")
        return 1
    print("lost 0; doubled only in doubt; the ledger adds up; no UID meant two messages")
    if not keep:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
