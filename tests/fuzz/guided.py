"""Targets under libFuzzer, which looks for new branches: ``python -m tests.fuzz.guided JOBS``.

Each line of the standard input is a JSON array: a target, the file for its output, and arguments of libFuzzer. Each is
fuzzed in a process of its own, forked from this one, since to import and instrument the package takes longer than a
short search. A line of the standard output says of each that has ended its target and exit status.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence

import atheris

with atheris.instrument_imports(include=["mpcontinuity"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    jobs, waiting = int(sys.argv[1]), [json.loads(line) for line in sys.stdin]
    running: dict[int, str] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            target, output, *arguments = waiting.pop(0)
            if (pid := os.fork()) == 0:
                _fuzz(target, output, arguments)
            running[pid] = target
        pid, status = os.wait()
        print(running.pop(pid), os.waitstatus_to_exitcode(status), flush=True)


def _fuzz(target: str, output: str, arguments: Sequence[str]) -> None:
    with open(output, "wb") as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    atheris.Setup([sys.argv[0], *arguments], TARGETS[target].run)
    atheris.Fuzz()
    os._exit(0)


if __name__ == "__main__":
    main()
