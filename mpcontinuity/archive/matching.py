"""Which messages of a segment a query finds, and whose mail is looked at. All of it is pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import and_, or_

from mpcontinuity.archive.document import (
    ADDRESSEE,
    ATTACHMENT,
    BODY,
    DIRECTION,
    DOMAIN,
    DOMAIN_LETTER,
    HAS,
    ID,
    NAME,
    OWNER,
    RECIPIENT,
    SENDER,
    SIZE,
    SUBJECT,
    Source,
    encoded,
    id_group,
    size_class,
)
from mpcontinuity.archive.query import (
    ANY_SIZE,
    Condition,
    Contains,
    Field,
    HasAttachment,
    HasMessageId,
    IsAddress,
    IsDirection,
    Query,
)
from mpcontinuity.archive.record import INBOUND, OUTBOUND
from mpcontinuity.archive.segment import Look
from mpcontinuity.archive.words import words

# Letters that a field's words have. Those of the envelope's recipients are apart: a user does not learn of others.
_LETTERS = {
    Field.ANY: (SENDER, ADDRESSEE, SUBJECT, BODY, NAME),
    Field.FROM: (SENDER,),
    Field.TO: (ADDRESSEE,),
    Field.SUBJECT: (SUBJECT,),
    Field.BODY: (BODY,),
    Field.ATTACHMENT: (NAME,),
}
_TO_RECIPIENTS = (Field.ANY, Field.TO)


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose mail is looked at: of the ``domain`` with that id, 0 for all of them, and of one user alone where ``keys``
    is not None.

    ``keys`` are the user's addresses as they are compared (`Address.key`). They find what came to one of these and what
    was sent from one; who has none finds nothing. Of the recipients of a message that came, they see and find
    themselves only. ``since`` has, for addresses that somebody else had before, the time (µs) from which they are
    theirs: what is older is not found.
    """

    domain: int = 0
    keys: frozenset[str] | None = None
    since: Mapping[str, int] = field(default_factory=dict, hash=False)


def groups(query: Query, whose: Whose) -> list[bytes]:
    """Returns the groups of terms that the answer depends on, each once."""
    found: dict[bytes, None] = {}
    if whose.domain:
        found[DOMAIN % whose.domain] = None
    for key in whose.keys or ():
        found[encoded(key)] = None
    if whose.keys is not None or any(isinstance(one, IsDirection) for one in _conditions(query)):
        found[DIRECTION] = None
    if query.larger >= 0 or query.smaller < ANY_SIZE:
        found[SIZE] = None
    for condition in _conditions(query):
        found.update(dict.fromkeys(_groups(condition)))
    return list(found)


def _conditions(query: Query) -> Iterator[Condition]:
    yield from query.all_of
    yield from query.none_of


def _groups(condition: Condition) -> list[bytes]:
    match condition:
        case Contains():
            return [encoded(word) for word in sorted(condition.words)]
        case IsAddress():
            return [encoded(condition.key)]
        case HasMessageId():
            return [id_group(condition.message_id)]
        case HasAttachment():
            return [HAS]
        case IsDirection():
            return [DIRECTION]


def is_told_by_row(query: Query) -> bool:
    """Returns whether the row of a message in `archive` tells whether the query finds it."""
    return all(isinstance(one, IsDirection | HasMessageId) for one in _conditions(query))


def holds_by_row(query: Query, source: Source) -> bool:
    """Returns whether the conditions of such a query hold for a message; time, size and owners are not looked at."""

    def holds(condition: Condition) -> bool:
        if isinstance(condition, IsDirection):
            return condition.direction == source.direction
        return isinstance(condition, HasMessageId) and condition.message_id == source.message_id.strip("<>")

    return all(map(holds, query.all_of)) and not any(map(holds, query.none_of))


def matching(query: Query, whose: Whose, messages: int, look: Look) -> int:
    """Returns the set of messages, of so many that a segment has, that the query may find.

    ``look`` returns where a group occurs (segment.py). Times are not looked at, and sizes roughly: their rows decide.
    """
    return _Matching(whose, messages, look).found(query)


class _Matching:
    def __init__(self, whose: Whose, messages: int, look: Look) -> None:
        self._whose = whose
        self._look = look
        self._all = (1 << messages) - 1
        self._outbound = self._inbound = 0
        if whose.keys is not None:
            self._outbound, self._inbound = self._directed(OUTBOUND), self._directed(INBOUND)

    def found(self, query: Query) -> int:
        left = self._theirs()
        for condition in query.all_of:
            if not left:
                return 0
            left &= self._holds(condition)
        for condition in query.none_of:
            if not left:
                return 0
            left &= ~self._holds(condition)
        if left and (query.larger >= 0 or query.smaller < ANY_SIZE):
            left &= self._sized(query.larger, query.smaller)
        return left

    def _theirs(self) -> int:
        left = self._all
        if self._whose.domain:
            left &= self._at(DOMAIN % self._whose.domain, DOMAIN_LETTER)
        if self._whose.keys is not None:
            left &= reduce(or_, (self._at(encoded(key), OWNER) for key in self._whose.keys), 0)
        return left

    def _holds(self, condition: Condition) -> int:
        match condition:
            case Contains():
                return reduce(and_, (self._of_word(word, condition.field) for word in condition.words))
            case IsAddress():
                return self._of_address(condition)
            case HasMessageId():
                return self._at(id_group(condition.message_id), ID)
            case HasAttachment():
                return self._at(HAS, ATTACHMENT)
            case IsDirection():
                return self._directed(condition.direction)

    def _of_word(self, word: str, field: Field) -> int:
        sets = self._look(encoded(word))
        found = reduce(or_, (sets.get(letter, 0) for letter in _LETTERS[field]))
        if field in _TO_RECIPIENTS:
            found |= self._to_recipients(sets.get(RECIPIENT, 0), lambda key: word in words(key))
        return found

    def _of_address(self, condition: IsAddress) -> int:
        sets = self._look(encoded(condition.key))
        if condition.field is Field.FROM:
            return sets.get(SENDER, 0)
        return sets.get(ADDRESSEE, 0) | self._to_recipients(sets.get(RECIPIENT, 0), lambda key: key == condition.key)

    def _to_recipients(self, found: int, is_meant: Callable[[str], bool]) -> int:
        """Of messages whose envelope has such a recipient, those where whoever asks may know of that."""
        if self._whose.keys is None:
            return found
        own = (self._at(encoded(key), OWNER) for key in self._whose.keys if is_meant(key))
        return found & self._outbound | reduce(or_, own, 0) & self._inbound

    def _directed(self, direction: str) -> int:
        return self._at(DIRECTION, direction[:1].encode())

    def _sized(self, larger: int, smaller: int) -> int:
        least, most = size_class(larger), size_class(smaller)
        return reduce(or_, (some for letter, some in self._look(SIZE).items() if least <= letter[0] <= most), 0)

    def _at(self, group: bytes, letter: bytes) -> int:
        return self._look(group).get(letter, 0)
