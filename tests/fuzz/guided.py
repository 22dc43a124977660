"""One target under libFuzzer, which looks for new branches: ``python -m tests.fuzz.guided TARGET``."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["mpcontinuity"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    target = TARGETS[sys.argv[1]]
    atheris.Setup([sys.argv[0], *sys.argv[2:]], target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
