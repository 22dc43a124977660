"""Durations as administrators write them: ``90s``, ``15m``, ``1h``, ``5d``."""

from __future__ import annotations

import re

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)([smhd])")


def parse(text: str) -> float:
    """Returns the seconds of a duration. Raises ValueError."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f'{text!r}: not a duration, as "90s", "15m", "1h" or "5d"')
    return float(match[1]) * _UNITS[match[2]]


def show(seconds: float) -> str:
    """Returns a duration in the largest unit in which it is a whole number."""
    for unit in "dhm":
        if seconds and seconds % _UNITS[unit] == 0:
            return f"{seconds / _UNITS[unit]:g}{unit}"
    return f"{seconds:g}s"
