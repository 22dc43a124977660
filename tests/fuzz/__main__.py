"""Fuzzes targets, each in processes of its own, and says what came of it. Exit 1 if one failed."""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.corpus import kept
from tests.fuzz.targets import TARGETS

# Of one input. Our readers are linear, and 64 KiB take them milliseconds; instrumented, on a machine with other work,
# a second is far beyond that.
SLOWEST = 10
LONGEST_INPUT = 65_536
MOST_MEMORY = 1024  # MiB

_RUNS = re.compile(r"Done (\d+) runs|^#(\d+)\s", re.MULTILINE)
_COVERAGE = re.compile(r"cov: (\d+)")


@dataclass(frozen=True)
class Result:
    """``found``: files with inputs that failed."""

    target: str
    runs: int
    coverage: int
    found: tuple[Path, ...]
    output: str
    failed: bool


def fuzz(target: str, seconds: int, found: Path) -> Result:
    """Runs it for so long, or until it fails."""
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate([*TARGETS[target].seeds, *kept(target)]):
            (Path(corpus) / f"seed{number}").write_bytes(seed)
        done = subprocess.run(
            [
                *(sys.executable, "-m", "tests.fuzz.guided", target, corpus),
                *(f"-max_total_time={seconds}", f"-timeout={SLOWEST}", f"-max_len={LONGEST_INPUT}", "-len_control=20"),
                *(f"-rss_limit_mb={MOST_MEMORY}", f"-artifact_prefix={found}/{target}-", "-print_final_stats=0"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            env=os.environ | {"PYTHONHASHSEED": "0"},
        )
    runs = max((int(a or b) for a, b in _RUNS.findall(done.stdout)), default=0)
    coverage = max(map(int, _COVERAGE.findall(done.stdout)), default=0)
    files = tuple(sorted(found.glob(f"{target}-*")))
    return Result(target, runs, coverage, files, done.stdout, done.returncode != 0)


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of: {', '.join(TARGETS)}; all without")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--jobs", type=int, default=2, help="targets at once (2)")
    parser.add_argument("--found", type=Path, help="folder for inputs that fail (a new one in the system's for such)")
    given = parser.parse_args()
    unknown = set(given.targets) - TARGETS.keys()
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))}: no such target; there are {', '.join(TARGETS)}")
    if importlib.util.find_spec("atheris") is None:
        print("SKIPPED: fuzzing guided by coverage (atheris could not be had)")
        return 0
    found = given.found or Path(tempfile.mkdtemp(prefix="fuzz-"))
    found.mkdir(parents=True, exist_ok=True)
    failed = 0
    with ThreadPoolExecutor(given.jobs) as pool:
        for result in pool.map(lambda name: fuzz(name, given.seconds, found), given.targets or TARGETS):
            failed += result.failed
            print(
                f"{result.target:14} {result.runs:9,} inputs, {result.coverage:6,} branches"
                + (": FAILED" if result.failed else ""),
                flush=True,
            )
            if result.failed:
                told = [line for line in result.output.splitlines() if not line.startswith("#")]
                print("\n".join(told[-30:]))
                for file in result.found:
                    print(f"the input: {file}; keep it in tests/fuzz/corpus/{result.target}/ once that is mended")
    print(f"{len(given.targets or TARGETS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
