"""The table of all that is fuzzed. What reads outside octets and is not here is fuzzed by nobody: add it."""

from __future__ import annotations

from tests.fuzz.engines import ENGINES
from tests.fuzz.readers import READERS
from tests.fuzz.target import Target

TARGETS: dict[str, Target] = {**ENGINES, **READERS}
