"""Letters that say themselves who they are and whether they are whole, and what became of each."""

from __future__ import annotations

import base64
import hashlib
import itertools
import random
import re
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

KIB, MIB = 1 << 10, 1 << 20
FIELDS = "X-Letter X-Sum"  # enough to know one by its header

_LETTER = re.compile(rb"^X-Letter: (\d+)\r\nX-Sum: ([0-9a-f]{40})\r\n", re.MULTILINE | re.IGNORECASE)


def write(number: int, octets: int, chance: random.Random, *, sender: str = "bob@sender.example") -> bytes:
    """About so large; no two are alike. Some lines begin with a dot."""
    text = base64.b64encode(chance.randbytes(octets * 3 // 4)).decode()
    lines = [text[start : start + 76] for start in range(0, len(text), 76)]
    lines[::7] = ["." + line for line in lines[::7]]
    body = "\r\n".join([*lines, ""])
    return (
        f"From: {sender}\r\nTo: somebody@example.org\r\nSubject: letter {number}\r\n"
        f"Message-ID: <letter-{number}@sender.example>\r\nDate: Sun, 22 Nov 2026 04:03:00 +0000\r\n"
        f"X-Letter: {number}\r\nX-Sum: {hashlib.sha1(body.encode()).hexdigest()}\r\n\r\n{body}"
    ).encode()


def octets(chance: random.Random) -> int:
    """1 to 64 KiB, small ones more often, and a few of 5 MiB."""
    if chance.random() < 0.003:
        return 5 * MIB
    return int(KIB * 64 ** chance.random())


def name(header: bytes) -> tuple[int, str]:
    """Number and sum, from its header."""
    found = _LETTER.search(header)
    assert found, f"no letter of ours: {header[:500]!r}"
    return int(found[1]), found[2].decode()


def read(content: bytes) -> tuple[int, str]:
    """Number and sum; an AssertionError where a byte of the body is not as it was written."""
    head, _, body = content.partition(b"\r\n\r\n")
    number, digest = name(head + b"\r\n")
    found = hashlib.sha1(body).hexdigest()
    assert found == digest, f"letter {number} is damaged: {len(body)} octets, {body[:80]!r} … {body[-80:]!r}"
    return number, digest


@dataclass
class Letter:
    """One that is sent, and what its sender was told for each recipient."""

    number: int
    content: bytes
    left: list[str]  # recipients that have no final answer yet
    taken: set[str] = field(default_factory=set)  # answered 250
    refused: set[str] = field(default_factory=set)  # answered 5xx
    repeated: int = 0  # transactions that the server may have taken although the sender was not told so


@dataclass(frozen=True)
class Take:
    """A letter that arrived at home, by the ids that our header fields name."""

    number: int
    ids: frozenset[str]
    recipients: tuple[str, ...]
    time: float  # monotonic, s
    mood: str


class Books:
    """What senders, home and users know. Thread-safe."""

    def __init__(self) -> None:
        self.letters: dict[int, Letter] = {}
        self.takes: list[Take] = []
        self.heard: set[int] = set()  # id() of takes whose 250 was sent in good time
        self.given_up: set[tuple[int, str]] = set()  # (letter, user) that the user deleted, or tried to
        self.kills: list[float] = []
        self.cuts: list[float] = []  # when home cut its sessions
        self.faults: list[str] = []
        self.acknowledged = 0  # recipients answered 250, ever
        self.octets = 0  # of letters, ever
        self.lock = threading.Lock()

    def fault(self, text: str) -> None:
        with self.lock:
            self.faults.append(text)

    def killed(self) -> None:
        """Now: what was under way is in doubt."""
        with self.lock:
            self.kills.append(time.monotonic())

    def open(self) -> list[tuple[int, str]]:
        """(letter, recipient) answered 250."""
        return [(letter.number, recipient) for letter in self.letters.values() for recipient in letter.taken]

    def at_home(self) -> dict[tuple[int, str], list[Take]]:
        found: dict[tuple[int, str], list[Take]] = {}
        for take in list(self.takes):
            for recipient in take.recipients:
                found.setdefault((take.number, recipient), []).append(take)
        return found

    def lost(self, answered: Iterable[tuple[int, str]], kept: Iterable[tuple[int, str]] = ()) -> list[tuple[int, str]]:
        """Of those ``answered`` 250: neither at home, nor among those that are ``kept``, nor deleted by their user."""
        there = self.at_home().keys() | set(kept) | self.given_up
        return [pair for pair in answered if pair not in there]

    def doubled(self, settle: float) -> tuple[int, list[str]]:
        """How many letters home has more than once for a recipient, and those for which there is no excuse.

        A second copy is excused where home's 250 to the one before was not heard: home did not say it, or cut the
        connection, or we were killed within ``settle`` seconds after it, before it was written down. Another id than
        before is excused where, besides, the sender had to repeat the letter.
        """
        several, faults = 0, []
        for (number, recipient), takes in self.at_home().items():
            if len(takes) == 1:
                continue
            several += 1
            takes.sort(key=lambda take: take.time)
            for before, after in itertools.pairwise(takes):
                if id(before) in self.heard and not self._disturbed(before, after, settle):
                    faults.append(f"letter {number} reached {recipient} again although home's 250 was heard: {takes}")
            if unrelated(takes) > 1 + self.letters[number].repeated:
                faults.append(f"letter {number} reached {recipient} under several ids: {takes}")
        return several, faults

    def forget(self) -> None:
        """Begins a new page: letters whose fate was judged."""
        with self.lock:
            self.letters = {number: letter for number, letter in self.letters.items() if letter.left}
            self.takes.clear()
            self.heard.clear()
            self.given_up.clear()
            self.kills.clear()
            self.cuts.clear()

    def _disturbed(self, take: Take, after: Take, settle: float) -> bool:
        # Home takes also what a process that is dead meanwhile had sent, on a busy machine after a while.
        killed = any(take.time - settle <= kill <= min(take.time + settle, after.time) for kill in self.kills)
        return killed or any(take.time - 0.3 <= cut <= take.time + 0.6 for cut in self.cuts)


def unrelated(takes: list[Take]) -> int:
    """How many of them share an id with none of those before: a repeat is known by its id."""
    seen: set[str] = set()
    count = 0
    for take in takes:
        count += seen.isdisjoint(take.ids)
        seen |= take.ids
    return count
