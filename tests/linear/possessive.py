"""Regular expressions that Python 3.11.0 to 3.11.4, which Debian 12 has, take for something else.

There a possessive quantifier on a group goes on from where its last turn gave up, not from where that turn began
(CPython's issue 106052). A turn that gives up at its first character does no harm; one that has a quantifier, a look
or a choice behind it by then does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.linear.patterns import _parser, sre

_REPEATS = (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT)
_LOOKS = (sre.ASSERT, sre.ASSERT_NOT)


def forgets(pattern: re.Pattern[Any]) -> bool:
    """Whether a turn of a possessive group in it may give up after it has gone on."""
    return any(_gives_up(body, False) for body in _groups(_parser.parse(pattern.pattern, pattern.flags)))


def _groups(body: Any) -> Iterator[Any]:
    """What possessive quantifiers repeat."""
    for operation, value in body:
        if operation is sre.POSSESSIVE_REPEAT:
            yield value[2]
        for inner in _inner(operation, value):
            yield from _groups(inner)


def _inner(operation: Any, value: Any) -> list[Any]:
    if operation in _REPEATS:
        return [value[2]]
    if operation is sre.BRANCH:
        return list(value[1])
    if operation is sre.SUBPATTERN:
        return [value[3]]
    if operation in _LOOKS:
        return [value[1]]
    return [value] if operation is sre.ATOMIC_GROUP else []


def _gives_up(body: Any, gone_on: bool) -> bool:
    """Whether it may fail behind a quantifier, a look or a choice. ``gone_on``: there is one before it."""
    for operation, value in body:
        may_fail = not (operation in _REPEATS and value[0] == 0)
        if gone_on and may_fail:
            return True
        if operation in (sre.BRANCH, sre.SUBPATTERN) and any(
            _gives_up(inner, False) for inner in _inner(operation, value)
        ):
            return True
        gone_on = gone_on or bool(_inner(operation, value))
    return False
