"""Randomness as an argument, so that a simulated run replays exactly (design 15)."""

from __future__ import annotations

import secrets
from typing import Protocol


class Randomness(Protocol):
    def bytes(self, count: int) -> bytes: ...

    def below(self, limit: int) -> int:
        """A uniform integer in ``range(limit)``."""
        ...


class SystemRandomness:
    """The operating system's generator: good enough for tokens, fast enough for ids."""

    def bytes(self, count: int) -> bytes:
        return secrets.token_bytes(count)

    def below(self, limit: int) -> int:
        return secrets.randbelow(limit)
