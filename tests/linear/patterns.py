"""Regular expressions whose time may grow faster than their input, found in what `re` makes of them.

Two things make it so: two quantifiers beside each other (or the turns of one) that can take the same character, so that
there are many ways to share a run of it; and a search that begins again at each character of what it has just run over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import combinations, islice, product
from typing import Any

sre: Any = import_module("re._constants")  # not in typeshed
_parser: Any = import_module("re._parser")

_BOUNDED = 64  # repetitions that make no difference
_MOST = 5000  # ways through a pattern that are looked at
_UNIVERSE = frozenset(range(0x180)) | {0x2028, 0xFF05, 0x1F600}
_CATEGORIES = {
    sre.CATEGORY_DIGIT: r"\d",
    sre.CATEGORY_NOT_DIGIT: r"\D",
    sre.CATEGORY_SPACE: r"\s",
    sre.CATEGORY_NOT_SPACE: r"\S",
    sre.CATEGORY_WORD: r"\w",
    sre.CATEGORY_NOT_WORD: r"\W",
}
_ANCHORS = (sre.AT_BEGINNING, sre.AT_BEGINNING_STRING)

Set = frozenset[int]


@dataclass(frozen=True)
class _Char:
    set: Set
    optional: bool = False


@dataclass(frozen=True)
class _Repeat:
    least: int
    body: Any
    possessive: bool
    first: Set
    all: Set


@dataclass(frozen=True)
class _At:
    anchor: bool


_Element = _Char | _Repeat | _At


def faults(pattern: re.Pattern[Any], *, searched: bool) -> set[str]:
    """What is wrong with it. ``searched``: it is looked for at any place of a text."""
    reader = _Reader(pattern.flags, isinstance(pattern.pattern, bytes))
    parsed = _parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE if reader.bytes else pattern.flags)
    found = set(reader.ambiguous(parsed))
    if searched:
        found |= set(reader.begins_again(parsed))
    return found


class _Reader:
    def __init__(self, flags: int, is_bytes: bool) -> None:
        self.bytes = is_bytes
        self._ignores_case = bool(flags & re.IGNORECASE)
        self._dot_all = bool(flags & re.DOTALL)

    # What can happen

    def ambiguous(self, items: Any) -> Iterator[str]:
        for way in islice(self._ways(items), _MOST):
            yield from self._shared(way, len(way))
            for element in way:
                if isinstance(element, _Repeat):
                    yield from self._turns(element)

    def _turns(self, repeat: _Repeat) -> Iterator[str]:
        """One turn of a repetition, and the next."""
        yield from self.ambiguous(repeat.body)
        if repeat.possessive:
            return
        ways = list(islice(self._ways(repeat.body), _MOST))
        for one, other in product(ways, ways):
            yield from self._shared([*one, *other], len(one))
        yield from self._alike(repeat.body)

    def _alike(self, items: Any) -> Iterator[str]:
        for kind, value in items:
            if kind is sre.SUBPATTERN:
                yield from self._alike(value[3])
            elif kind is sre.BRANCH:
                firsts = [self._first_of(branch) for branch in value[1]]
                if any(one & other for one, other in combinations(firsts, 2)):
                    yield "alternatives of a repetition begin alike"
                for branch in value[1]:
                    yield from self._alike(branch)

    def _first_of(self, items: Any) -> Set:
        """With a sign for nothing, where it may match that."""
        ways = list(islice(self._ways(items), _MOST))
        nothing = frozenset((-1,)) if not all(map(self._can_fail, ways)) else frozenset()
        return frozenset().union(nothing, *map(self._first, ways))

    def _shared(self, way: list[_Element], until: int) -> Iterator[str]:
        for place, element in enumerate(way[:until]):
            if isinstance(element, _Repeat) and not element.possessive:
                common = element.first
                for following in way[place + 1 :]:
                    if isinstance(following, _At):
                        continue
                    shared = common & (following.set if isinstance(following, _Char) else following.first)
                    if isinstance(following, _Repeat) and shared:
                        yield f"two repetitions share {_shown(shared)}"
                    if isinstance(following, _Char) or following.least:
                        common = shared
                    if not common:
                        break

    def begins_again(self, items: Any) -> Iterator[str]:
        for way in islice(self._ways(items), _MOST):
            if way and isinstance(way[0], _At) and way[0].anchor:
                continue
            first = self._first(way)
            for place, element in enumerate(way):
                if isinstance(element, _Repeat) and element.all & first and self._can_fail(way[place + 1 :]):
                    yield f"a search begins again within {_shown(element.all & first)}"

    def _can_fail(self, rest: list[_Element]) -> bool:
        return any(element.least if isinstance(element, _Repeat) else not _optional(element) for element in rest)

    def _first(self, way: list[_Element]) -> Set:
        found: Set = frozenset()
        for element in way:
            if isinstance(element, _Char):
                return found | element.set
            if isinstance(element, _Repeat):
                found |= element.first
                if element.least:
                    return found
        return found

    # The ways through a pattern

    def _ways(self, items: Any) -> Iterator[list[_Element]]:
        for chosen in product(*(list(islice(self._alternatives(item), 50)) for item in items)):
            yield [element for part in chosen for element in part]

    def _alternatives(self, item: Any) -> Iterator[list[_Element]]:
        kind, value = item
        if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            yield from self._repeated(kind, *value)
        elif kind is sre.SUBPATTERN:
            yield from self._ways(value[3])
        elif kind is sre.ATOMIC_GROUP:
            yield from self._ways(value)
        elif kind is sre.BRANCH:
            for branch in value[1]:
                yield from self._ways(branch)
        elif kind is sre.AT:
            yield [_At(value in _ANCHORS)]
        elif kind in (sre.ASSERT, sre.ASSERT_NOT):
            yield [_At(False)]
        else:
            yield [_Char(self._set(item))]

    def _repeated(self, kind: Any, least: int, most: int, body: Any) -> Iterator[list[_Element]]:
        if most > _BOUNDED:
            ways = list(islice(self._ways(body), _MOST))
            first = frozenset().union(*map(self._first, ways))
            yield [_Repeat(least, body, kind is sre.POSSESSIVE_REPEAT, first, self._all(ways))]
            return
        single = len(body) == 1 and body[0][0] in (sre.LITERAL, sre.NOT_LITERAL, sre.IN, sre.ANY)
        if not least:
            yield []
        if not least and single:
            yield [_Char(self._set(body[0]), optional=True)]
        else:
            yield from self._ways(body)

    def _all(self, ways: list[list[_Element]]) -> Set:
        found: Set = frozenset()
        for element in (element for way in ways for element in way):
            if not isinstance(element, _At):
                found |= element.set if isinstance(element, _Char) else element.all
        return found

    # Sets of characters

    def _set(self, item: Any) -> Set:
        kind, value = item
        universe = frozenset(range(256)) if self.bytes else _UNIVERSE
        if kind is sre.LITERAL:
            return self._cased(frozenset((value,)))
        if kind is sre.NOT_LITERAL:
            return universe - {value}
        if kind is sre.ANY:
            return universe if self._dot_all else universe - {10}
        if kind is sre.IN:
            negated = value[0][0] is sre.NEGATE
            found = frozenset().union(*(self._member(member, universe) for member in value))
            return universe - found if negated else self._cased(found)
        return universe

    def _member(self, member: Any, universe: Set) -> Set:
        kind, value = member
        if kind is sre.LITERAL:
            return frozenset((value,))
        if kind is sre.RANGE:
            return frozenset(code for code in universe if value[0] <= code <= value[1])
        if kind is sre.CATEGORY:
            category = re.compile(_CATEGORIES[value], re.ASCII if self.bytes else 0)
            return frozenset(code for code in universe if category.match(chr(code)))
        return frozenset()

    def _cased(self, found: Set) -> Set:
        if not self._ignores_case:
            return found
        return found | {
            ord(other) for code in found for other in (chr(code).upper(), chr(code).lower()) if len(other) == 1
        }


def _optional(element: _Char | _At) -> bool:
    return isinstance(element, _Char) and element.optional


def _shown(found: Set) -> str:
    return repr("".join(chr(code) for code in sorted(found)[:8]))
