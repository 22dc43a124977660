"""Mailbox patterns of LIST (RFC 3501 §6.3.8): ``*`` is anything, ``%`` anything without a separator."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from mpcontinuity.protocols.imap.response import SEPARATOR

_WILDCARDS = re.compile(r"[*%]+")


def matcher(reference: str, patterns: Iterable[str]) -> Callable[[str], bool]:
    """Whether a name matches one of the patterns, each below the reference."""
    masks = [_Pattern(_canonical(reference + pattern)) for pattern in patterns]
    return lambda name: any(mask.matches(name) for mask in masks)


def _canonical(pattern: str) -> str:
    first, separator, rest = pattern.partition(SEPARATOR)
    return "INBOX" + separator + rest if first.upper() == "INBOX" else pattern


class _Pattern:
    """All ways to match at once, as bits of one number: what backtracking would cost, a client could choose.

    Bit i is set when the first i characters of the pattern are matched.
    """

    def __init__(self, pattern: str) -> None:
        pattern = _WILDCARDS.sub(lambda run: "*" if "*" in run.group() else "%", pattern)
        self._done = 1 << len(pattern)
        self._literal: dict[str, int] = {}
        self._any = 0  # where a wildcard stands that takes any character
        self._any_but_separator = 0
        for place, character in enumerate(pattern):
            if character == "*":
                self._any |= 1 << place
            elif character == "%":
                self._any_but_separator |= 1 << place
            else:
                self._literal[character] = self._literal.get(character, 0) | 1 << place
        self._wild = self._any | self._any_but_separator

    def matches(self, name: str) -> bool:
        state = self._skip_wildcards(1)
        for character in name:
            staying = state & (self._any if character == SEPARATOR else self._wild)
            state = self._skip_wildcards(staying | (state & self._literal.get(character, 0)) << 1)
            if not state:
                return False
        return bool(state & self._done)

    def _skip_wildcards(self, state: int) -> int:
        """A wildcard may also match nothing; no two stand side by side."""
        return state | (state & self._wild) << 1
