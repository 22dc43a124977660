"""Randomness as an argument, so that a simulated run can be replayed exactly."""

from __future__ import annotations

import secrets
from typing import Protocol


class Randomness(Protocol):
    """A source of random octets and numbers."""

    def bytes(self, count: int) -> bytes:
        """Returns ``count`` random octets."""
        ...

    def below(self, limit: int) -> int:
        """Returns an integer that is uniform in ``range(limit)``."""
        ...


class SystemRandomness:
    """The generator of the operating system, which is good enough for tokens and fast enough for ids."""

    def bytes(self, count: int) -> bytes:
        return secrets.token_bytes(count)

    def below(self, limit: int) -> int:
        return secrets.randbelow(limit)
