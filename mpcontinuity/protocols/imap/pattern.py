"""Matches names with patterns of LIST (RFC 3501 §6.3.8): ``*`` is anything, ``%`` anything without a separator."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from mpcontinuity.protocols.imap.response import SEPARATOR

_WILDCARDS = re.compile(r"[*%]+")


class Matcher:
    """All patterns of a LIST, each below the reference.

    All ways to match them are followed at once, as bits of one number. The client chooses the patterns, and so could
    choose what backtracking, or one pattern after the other, costs. Bit i is set when the characters before place i of
    a pattern have matched; the patterns stand one behind the other.
    """

    def __init__(self, reference: str, patterns: Sequence[str]) -> None:
        self._start = 0
        self._done = 0  # the places behind the patterns
        self._literal: dict[str, int] = {}
        self._any = 0  # where a wildcard stands that takes any character
        self._any_but_separator = 0
        place = 0
        for pattern in dict.fromkeys(canonical(reference + pattern) for pattern in patterns):
            self._start |= 1 << place
            place = self._add(_WILDCARDS.sub(lambda run: "*" if "*" in run.group() else "%", pattern), place)
        self._wild = self._any | self._any_but_separator
        self._start = self._skip_wildcards(self._start)
        self.size = place

    def _add(self, pattern: str, place: int) -> int:
        for character in pattern:
            if character == "*":
                self._any |= 1 << place
            elif character == "%":
                self._any_but_separator |= 1 << place
            else:
                self._literal[character] = self._literal.get(character, 0) | 1 << place
            place += 1
        self._done |= 1 << place
        return place + 1

    def matches(self, name: str) -> bool:
        """Returns whether a name matches one of the patterns."""
        return self.levels(name)[-1]

    def levels(self, name: str) -> list[bool]:
        """Returns the same for each name above it and for the name itself: ``a``, ``a/b``, ``a/b/c``."""
        state = self._start
        found = []
        for character in name:
            if character == SEPARATOR:
                found.append(bool(state & self._done))
                staying = state & self._any
            else:
                staying = state & self._wild
            state = self._skip_wildcards(staying | (state & self._literal.get(character, 0)) << 1)
            if not state:
                return found + [False] * (name.count(SEPARATOR) + 1 - len(found))
        found.append(bool(state & self._done))
        return found

    def _skip_wildcards(self, state: int) -> int:
        """A wildcard may also match nothing; no two stand side by side."""
        return state | (state & self._wild) << 1


def canonical(pattern: str) -> str:
    """Returns a pattern in the form that names have in the store (RFC 3501 §5.1): in NFC, and INBOX in capitals."""
    first, separator, rest = unicodedata.normalize("NFC", pattern).partition(SEPARATOR)
    return ("INBOX" if first.isascii() and first.upper() == "INBOX" else first) + separator + rest
