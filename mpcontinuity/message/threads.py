"""Puts messages together as IMAP's THREAD shows them (RFC 5256 §3, §4), by their references or by their subjects.

Nothing here is more than n log n in the number of messages, whatever they claim of each other, and no step recurs. Both
ways are generators, which yield after some work what they did, so that others can have their turn.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

_AT_A_STRETCH: Final = 500  # messages between two turns of others
_COST: Final = 15  # µs or so of a message


class Threaded(NamedTuple):
    """What threads are made of: when a message was sent (s), the digests of message/references.py, and what
    message/subjects.py says of its subject."""

    sent: int
    digests: Sequence[int]
    subject: str
    reply: bool


@dataclass(slots=True)
class Forest:
    """Threads. ``roots`` are in order, and so are the ``children`` of each message. Messages are meant by their places;
    a number from ``messages`` on stands for one that is not here, and only at the root."""

    messages: int
    roots: list[int] = field(default_factory=list)
    children: dict[int, list[int]] = field(default_factory=dict)

    def shown(self, number: Callable[[int], int]) -> Iterator[bytes]:
        """Yields each thread as THREAD tells it; ``number`` says what a message is called."""
        for root in self.roots:
            pieces = ["("]
            left: list[int | str] = [")", root]
            while left:
                each = left.pop()
                if isinstance(each, str):
                    pieces.append(each)
                    continue
                below = self.children.get(each, ())
                if each < self.messages:
                    pieces.append(f"{number(each)}" if pieces[-1] == "(" else f" {number(each)}")
                    if len(below) > 1:
                        pieces.append(" ")
                if len(below) == 1:
                    left.append(below[0])
                    continue
                for child in reversed(below):
                    left += (")", child, "(")
            yield "".join(pieces).encode("ascii")


def by_subject(messages: Sequence[Threaded]) -> Generator[int, None, Forest]:
    """Puts messages of one subject together, each an answer to the first (ORDEREDSUBJECT, RFC 5256 §3)."""
    forest = Forest(len(messages))
    first: dict[str, int] = {}
    for done, place in enumerate(_by_date(messages, range(len(messages))), 1):
        root = first.setdefault(messages[place].subject, place)
        if root == place:
            forest.roots.append(place)
        else:
            forest.children.setdefault(root, []).append(place)
        if done % _AT_A_STRETCH == _AT_A_STRETCH - 1:
            yield _AT_A_STRETCH * _COST
    return forest


def by_references(messages: Sequence[Threaded]) -> Generator[int, None, Forest]:
    """Puts messages together by what they answer, and then threads by their subjects (REFERENCES, RFC 5256 §4).

    Each message's own last reference counts first, and what others claim of it afterwards, as far as the RFC lets it
    stand: so no link is ever taken back, and whether one would make a circle is told without a walk.
    """
    linked = _Links(messages)
    yield from linked.link()
    forest = yield from linked.forest()
    yield from _merge_subjects(messages, forest)
    yield from _sort(messages, forest)
    return forest


class _Links:
    """Parents of messages, and sets of those that hang together."""

    def __init__(self, messages: Sequence[Threaded]) -> None:
        self._messages = messages
        self._nodes: dict[int, int] = {}  # by digest
        self._parents: list[int] = [-1] * len(messages)
        self._sets: list[int] = list(range(len(messages)))
        for place, message in enumerate(messages):
            own = message.digests[0] if message.digests else 0
            if own:  # of several with one Message-ID the first has it
                self._nodes.setdefault(own, place)

    def link(self) -> Generator[int, None, None]:
        """Links all messages (step 1 of RFC 5256 §4)."""
        for place, message in enumerate(self._messages):
            if len(message.digests) > 1:
                self._link(self._node(message.digests[-1]), place)
            if place % _AT_A_STRETCH == _AT_A_STRETCH - 1:
                yield _AT_A_STRETCH * _COST
        for place, message in enumerate(self._messages):
            for above, below in zip(message.digests[1:], message.digests[2:], strict=False):
                child = self._node(below)
                # What is claimed of a message before it comes itself is taken back then.
                if not place < child < len(self._messages):
                    self._link(self._node(above), child)
            if place % _AT_A_STRETCH == _AT_A_STRETCH - 1:
                yield _AT_A_STRETCH * _COST

    def _node(self, digest: int) -> int:
        node = self._nodes.get(digest)
        if node is None:
            node = self._nodes[digest] = len(self._parents)
            self._parents.append(-1)
            self._sets.append(node)
        return node

    def _link(self, parent: int, child: int) -> None:
        """Unless the child has a parent, or is above this one: what has no parent is above all of its own set."""
        if self._parents[child] >= 0:
            return
        above, below = self._set(parent), self._set(child)
        if above != below:
            self._parents[child] = parent
            self._sets[below] = above

    def _set(self, node: int) -> int:
        sets = self._sets
        while sets[node] != node:
            sets[node] = sets[sets[node]]
            node = sets[node]
        return node

    def forest(self) -> Generator[int, None, Forest]:
        """Returns the threads without what is not here, but for roots of several messages (step 3)."""
        count = len(self._messages)
        children: dict[int, list[int]] = {}
        for node, parent in enumerate(self._parents):
            if parent >= 0:
                children.setdefault(parent, []).append(node)
        forest = Forest(count)
        for node, parent in enumerate(self._parents):
            if node % _AT_A_STRETCH == _AT_A_STRETCH - 1:
                yield _AT_A_STRETCH * _COST
            if node >= count and parent >= 0:
                continue
            below = _present(children, node, count)
            if node < count or len(below) > 1:
                if below:
                    forest.children[node] = below
                if parent < 0:
                    forest.roots.append(node)
            else:
                forest.roots += below
        return forest


def _present(children: dict[int, list[int]], node: int, count: int) -> list[int]:
    """What hangs on a node, where what is not here has its own in its place. Each of these is met once."""
    found: list[int] = []
    left = list(reversed(children.get(node, ())))
    while left:
        each = left.pop()
        if each < count:
            found.append(each)
        else:
            left.extend(reversed(children.get(each, ())))
    return found


def _merge_subjects(messages: Sequence[Threaded], forest: Forest) -> Generator[int, None, None]:
    """Puts threads of one subject together (step 5)."""
    count = len(messages)

    def first(root: int) -> Threaded:
        return messages[root if root < count else forest.children[root][0]]

    for root in forest.roots:
        if root >= count:
            forest.children[root] = _by_date(messages, forest.children[root])
    forest.roots.sort(key=lambda root: (first(root).sent, root))
    table: dict[str, int] = {}
    for root in forest.roots:
        subject = first(root).subject
        known = table.get(subject)
        if subject and (known is None or _is_better(messages, known, root)):
            table[subject] = root
    yield len(forest.roots)
    gone: set[int] = set()
    new = max((root + 1 for root in forest.roots), default=0)
    new = max(new, count)
    for done, root in enumerate(list(forest.roots)):
        subject = first(root).subject
        known = table.get(subject, root)
        if known == root:
            continue
        gone.add(root)
        if known >= count:
            forest.children[known] += forest.children.pop(root) if root >= count else [root]
        elif root < count and messages[root].reply and not messages[known].reply:
            forest.children.setdefault(known, []).append(root)
        else:
            gone.add(known)
            forest.children[new] = [known, root]
            forest.roots.append(new)
            table[subject] = new
            new += 1
        if done % _AT_A_STRETCH == _AT_A_STRETCH - 1:
            yield _AT_A_STRETCH * _COST
    forest.roots = [root for root in forest.roots if root not in gone]


def _is_better(messages: Sequence[Threaded], known: int, root: int) -> bool:
    """Whether the second is to stand for its subject: one that is not here, or one that is no answer."""
    count = len(messages)
    if known >= count:
        return False
    return root >= count or (messages[known].reply and not messages[root].reply)


def _sort(messages: Sequence[Threaded], forest: Forest) -> Generator[int, None, None]:
    """By date, everywhere (step 6)."""
    for done, (node, below) in enumerate(forest.children.items()):
        forest.children[node] = _by_date(messages, below)
        if done % _AT_A_STRETCH == _AT_A_STRETCH - 1:
            yield _AT_A_STRETCH * _COST
    count = len(messages)
    forest.roots.sort(key=lambda root: (messages[root if root < count else forest.children[root][0]].sent, root))


def _by_date(messages: Sequence[Threaded], places: Sequence[int]) -> list[int]:
    return sorted(places, key=lambda place: (messages[place].sent, place))
