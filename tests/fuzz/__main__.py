"""Fuzzes targets, each in processes of its own, and says what came of it. Exit 1 if one failed."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.corpus import kept
from tests.fuzz.targets import TARGETS

# Of one input. Our readers are linear, and 64 KiB take them milliseconds; a second instrumented, and far less than this
# even beside tests that come first.
SLOWEST = 30
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


def fuzz(targets: Sequence[str], seconds: int, jobs: int, found: Path) -> Iterator[Result]:
    """Runs each for so long, or until it fails; so many at once. Gives them as they end."""
    with tempfile.TemporaryDirectory() as folder:
        asked = []
        for target in targets:
            corpus, output = Path(folder) / target, Path(folder) / f"{target}.log"
            corpus.mkdir()
            for number, seed in enumerate([*TARGETS[target].seeds, *kept(target)]):
                (corpus / f"seed{number}").write_bytes(seed)
            options = (
                *(f"-max_total_time={seconds}", f"-timeout={SLOWEST}", f"-max_len={LONGEST_INPUT}", "-len_control=20"),
                *(f"-rss_limit_mb={MOST_MEMORY}", f"-artifact_prefix={found}/{target}-", "-print_final_stats=0"),
            )
            asked.append(json.dumps([target, str(output), str(corpus), *options]))
        instrumenting = Path(folder) / "instrumenting.log"
        with (
            instrumenting.open("wb") as log,
            subprocess.Popen(
                [sys.executable, "-m", "tests.fuzz.guided", str(jobs)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=os.environ | {"PYTHONHASHSEED": "0"},
            ) as fuzzing,
        ):
            assert fuzzing.stdin is not None
            assert fuzzing.stdout is not None
            fuzzing.stdin.write("\n".join(asked))
            fuzzing.stdin.close()
            for line in fuzzing.stdout:
                target, _, status = line.rstrip().rpartition(" ")
                said = (Path(folder) / f"{target}.log").read_text(errors="replace")
                yield _result(target, said, found, failed=status != "0")
        if fuzzing.returncode != 0:
            print(instrumenting.read_text(errors="replace"), file=sys.stderr)


def _result(target: str, said: str, found: Path, *, failed: bool) -> Result:
    runs = max((int(a or b) for a, b in _RUNS.findall(said)), default=0)
    coverage = max(map(int, _COVERAGE.findall(said)), default=0)
    return Result(target, runs, coverage, tuple(sorted(found.glob(f"{target}-*"))), said, failed)


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
    targets = given.targets or list(TARGETS)
    passed = 0
    for result in fuzz(targets, given.seconds, given.jobs, found):
        passed += not result.failed
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
    print(f"{passed} passed, {len(targets) - passed} failed")
    return 1 if passed < len(targets) else 0


if __name__ == "__main__":
    sys.exit(main())
