"""Puts messages together as IMAP's THREAD shows them (RFC 5256 §3, §4), by their references or by their subjects.

Nothing here is more than n log n in the number of messages, whatever they claim of each other, and no step recurs. Both
ways are generators, which yield after some work what they did (µs or so), so that others can have their turn: no loop
over all messages is without that. What the messages name that is not here takes memory too, so it has a bound.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import merge
from typing import Final, NamedTuple

# Messages that are named and not here and yet can join others; of more, what they join stays apart. A mailbox of
# honest mail names fewer than it has messages.
MOST_NOT_HERE: Final = 100_000

_AT_A_STRETCH: Final = 500  # messages between two turns of others
_COST: Final = 2  # µs or so that a loop takes for a message
_WORK: Final = _AT_A_STRETCH * _COST
_RUN: Final = 2_000  # messages that are sorted at once: 1 ms
_PIECE: Final = 2_000  # numbers and parentheses that are shown at once


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
        """Yields the threads as THREAD tells them, in pieces; ``number`` says what a message is called."""
        pieces: list[str] = []
        for root in self.roots:
            left: list[Iterator[int]] = [iter((root,))]
            while left:
                node = next(left[-1], -1)
                if node < 0:
                    left.pop()
                    if left:
                        pieces.append(")")
                    continue
                pieces.append("(")
                space = ""
                while True:
                    if len(pieces) >= _PIECE:
                        yield "".join(pieces).encode("ascii")
                        pieces = []
                    if node < self.messages:
                        pieces.append(f"{space}{number(node)}")
                        space = " "
                    below = self.children.get(node, ())
                    if len(below) != 1:
                        break
                    node = below[0]
                if below:
                    pieces.append(space)
                    left.append(iter(below))
                else:
                    pieces.append(")")
        yield "".join(pieces).encode("ascii")


def by_subject(messages: Sequence[Threaded]) -> Generator[int, None, Forest]:
    """Puts messages of one subject together, each an answer to the first (ORDEREDSUBJECT, RFC 5256 §3)."""
    forest = Forest(len(messages))
    first: dict[str, int] = {}
    for done, place in enumerate((yield from _by_date(messages, range(len(messages))))):
        if done % _AT_A_STRETCH == _AT_A_STRETCH - 1:
            yield _WORK
        root = first.setdefault(messages[place].subject, place)
        if root == place:
            forest.roots.append(place)
        else:
            forest.children.setdefault(root, []).append(place)
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
        self._parents = array("i", (-1,)) * len(messages)
        self._sets = array("i", range(len(messages)))
        self._most = len(messages) + MOST_NOT_HERE

    def link(self) -> Generator[int, None, None]:
        """Links all messages (step 1 of RFC 5256 §4)."""
        for place, message in enumerate(self._messages):
            if place % _AT_A_STRETCH == _AT_A_STRETCH - 1:
                yield _WORK
            own = message.digests[0] if message.digests else 0
            if own:  # of several with one Message-ID the first has it
                self._nodes.setdefault(own, place)
        for place, message in enumerate(self._messages):
            if place % _AT_A_STRETCH == _AT_A_STRETCH - 1:
                yield _WORK
            if len(message.digests) > 1:
                self._link(self._node(message.digests[-1]), place)
        work = 0
        for place, message in enumerate(self._messages):
            work += len(message.digests)
            if work >= _AT_A_STRETCH:
                yield work * _COST
                work = 0
            for above, below in zip(message.digests[1:], message.digests[2:], strict=False):
                child = self._node(below)
                # What is claimed of a message before it comes itself is taken back then.
                if not place < child < len(self._messages):
                    self._link(self._node(above), child)

    def _node(self, digest: int) -> int:
        """The message with that digest, or what stands for it; -1 where it is not here, as too many are."""
        node = self._nodes.get(digest, -1)
        if node < 0 and len(self._parents) < self._most:
            node = self._nodes[digest] = len(self._parents)
            self._parents.append(-1)
            self._sets.append(node)
        return node

    def _link(self, parent: int, child: int) -> None:
        """Unless the child has a parent, or is above this one: what has no parent is above all of its own set."""
        if parent < 0 or child < 0 or self._parents[child] >= 0:
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
        count, parents = len(self._messages), self._parents
        # The first child of each node and its next sibling, -1 for none.
        first = array("i", (-1,)) * len(parents)
        following = array("i", (-1,)) * len(parents)
        for node in range(len(parents) - 1, -1, -1):
            if node % _AT_A_STRETCH == _AT_A_STRETCH - 1:
                yield _WORK
            parent = parents[node]
            if parent >= 0:
                following[node] = first[parent]
                first[parent] = node
        forest = Forest(count)
        for node, parent in enumerate(parents):
            if node % _AT_A_STRETCH == _AT_A_STRETCH - 1:
                yield _WORK
            if node >= count and parent >= 0:
                continue
            below = yield from _present(first, following, node, count)
            if node < count or len(below) > 1:
                if below:
                    forest.children[node] = below
                if parent < 0:
                    forest.roots.append(node)
            else:
                forest.roots += below
        return forest


def _present(first: Sequence[int], following: Sequence[int], node: int, count: int) -> Generator[int, None, list[int]]:
    """What hangs on a node, where what is not here has its own in its place. Each of these is met once."""
    found: list[int] = []
    left = [first[node]]
    met = 0
    while left:
        each = left.pop()
        if each < 0:
            continue
        met += 1
        if met % _AT_A_STRETCH == _AT_A_STRETCH - 1:
            yield _WORK
        left.append(following[each])
        if each < count:
            found.append(each)
        else:
            left.append(first[each])
    return found


def _merge_subjects(messages: Sequence[Threaded], forest: Forest) -> Generator[int, None, None]:
    """Puts threads of one subject together (step 5)."""
    count = len(messages)

    def first(root: int) -> Threaded:
        return messages[root if root < count else forest.children[root][0]]

    for done, root in enumerate(forest.roots):
        if done % _AT_A_STRETCH == _AT_A_STRETCH - 1:
            yield _WORK
        if root >= count:
            forest.children[root] = yield from _by_date(messages, forest.children[root])
    forest.roots = yield from _in_order(forest.roots, lambda root: (first(root).sent, root))
    table: dict[str, int] = {}
    for done, root in enumerate(forest.roots):
        if done % _AT_A_STRETCH == _AT_A_STRETCH - 1:
            yield _WORK
        subject = first(root).subject
        known = table.get(subject)
        if subject and (known is None or _is_better(messages, known, root)):
            table[subject] = root
    gone: set[int] = set()
    new = max(count, max(forest.roots, default=0) + 1)
    for done, root in enumerate(list(forest.roots)):
        if done % _AT_A_STRETCH == _AT_A_STRETCH - 1:
            yield _WORK
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
        if done % _AT_A_STRETCH == _AT_A_STRETCH - 1:
            yield _WORK
        if len(below) > 1:
            forest.children[node] = yield from _by_date(messages, below)
    count = len(messages)
    forest.roots = yield from _in_order(
        forest.roots, lambda root: (messages[root if root < count else forest.children[root][0]].sent, root)
    )


def _by_date(messages: Sequence[Threaded], places: Sequence[int]) -> Generator[int, None, list[int]]:
    return (yield from _in_order(places, lambda place: (messages[place].sent, place)))


def _in_order(places: Sequence[int], key: Callable[[int], tuple[int, int]]) -> Generator[int, None, list[int]]:
    """Sorts what may be much, in runs that are merged then."""
    if len(places) <= _RUN:
        return sorted(places, key=key)
    runs: list[list[int]] = []
    for begin in range(0, len(places), _RUN):
        runs.append(sorted(places[begin : begin + _RUN], key=key))
        yield _RUN
    found: list[int] = []
    for place in merge(*runs, key=key):
        found.append(place)
        if len(found) % _AT_A_STRETCH == _AT_A_STRETCH - 1:
            yield _WORK
    return found
