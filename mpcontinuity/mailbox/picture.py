"""A mailbox's messages as arrays, shared by all sessions of this process that have it selected.

The UIDs of a version only ever grow at the end. An expunge makes a new version; a session keeps the old one until it
may tell its client. This lives in the reactor thread.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from mpcontinuity.mailbox import keywords
from mpcontinuity.mailbox.append import MAX_UID, UID_BITS
from mpcontinuity.model.uidset import Range
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

STEP = 5000  # messages per read: three numbers each, about 10 ms

_MAILBOX = Statement("SELECT uidvalidity, modseq, expunged_floor FROM mailbox WHERE id = :mailbox")
_MODSEQS = Statement("SELECT id, modseq FROM mailbox WHERE id IN [:mailboxes]")
_NEW = Statement(
    "SELECT id & 4294967295, modseq, flags FROM entry WHERE id > :after AND id <= :last ORDER BY id LIMIT :step"
)
_CHANGED = Statement("SELECT id & 4294967295, modseq, flags FROM entry WHERE id IN [:ids] ORDER BY id")
_EXPUNGED = Statement(
    "SELECT first, last FROM expunged WHERE mailbox = :mailbox AND modseq > :since ORDER BY modseq, first"
)
_PRESENT = Statement("SELECT id & 4294967295 FROM entry WHERE id BETWEEN :first AND :last ORDER BY id")

Message = tuple[int, int, int]  # uid, modseq, flags


@dataclass(frozen=True, slots=True)
class News:
    """What one read of the database found.

    ``expunged`` ranges may include UIDs that nobody knew. ``more`` is true where more new messages wait.
    """

    modseq: int
    expunged: Sequence[Range]
    new: Sequence[Message]
    changed: Sequence[Message]
    keywords: dict[int, str]
    more: bool


def modseqs(tx: Transaction, mailboxes: Sequence[int]) -> dict[int, int]:
    """Returns the highest modseq of each mailbox that exists."""
    return dict(tx.all(_MODSEQS, mailboxes=mailboxes))


def read_news(
    tx: Transaction, mailbox: int, uidvalidity: int, since: int | None, last_uid: int, changed: Sequence[int]
) -> News | None:
    """Returns what happened after the modseq ``since`` (None where nothing is known yet), and the messages ``changed``.

    The result is None where the mailbox is gone.
    """
    row = tx.one(_MAILBOX, mailbox=mailbox)
    if row is None:
        return None
    found, modseq, floor = row
    if found != uidvalidity:
        return None
    base = mailbox << UID_BITS
    expunged: list[Range] = []
    if since is not None and since < floor:  # too long ago: what went is what is not there
        present = [0, *(uid for (uid,) in tx.all(_PRESENT, first=base, last=base | last_uid)), last_uid + 1]
        expunged = [(a + 1, b - 1) for a, b in pairwise(present) if a + 1 < b]
    elif since is not None and since < modseq:
        expunged = [(first, last) for first, last in tx.all(_EXPUNGED, mailbox=mailbox, since=since)]
    new: list[Message] = tx.all(_NEW, after=base | last_uid, last=base | MAX_UID, step=STEP)
    again: list[Message] = tx.all(_CHANGED, ids=[base | uid for uid in changed]) if changed else []
    return News(modseq, expunged, new, again, keywords.of(tx, mailbox), len(new) == STEP)


class Version:
    """The messages at one moment, as three parallel arrays by rising UID."""

    __slots__ = ("flags", "modseqs", "uids")

    def __init__(self, uids: Iterable[int] = (), modseqs: Iterable[int] = (), flags: Iterable[int] = ()) -> None:
        self.uids = array("I", uids)
        self.modseqs = array("Q", modseqs)
        self.flags = array("Q", flags)

    def index(self, uid: int) -> int:
        """Returns the place of a UID, or -1."""
        place = bisect_left(self.uids, uid)
        return place if place < len(self.uids) and self.uids[place] == uid else -1

    def within(self, first: int, last: int, visible: int) -> range:
        """Returns the places of the UIDs from ``first`` to ``last`` among the ``visible`` ones."""
        return range(bisect_left(self.uids, first, 0, visible), bisect_right(self.uids, last, 0, visible))

    def places(self, ranges: Iterable[Range], visible: int) -> Iterator[Range]:
        """Yields the message numbers, first and last, of the UIDs in each of these ranges, which are sorted and
        disjoint, among the ``visible`` ones. Ranges without a message are left out, at no more than a comparison."""
        uids = self.uids
        place = 0
        for first, last in ranges:
            if last < uids[place]:
                continue
            place = bisect_left(uids, first, place, visible)
            if place == visible:
                return
            end = bisect_right(uids, last, place, visible)
            if end > place:
                yield place + 1, end
            if end == visible:
                return
            place = end

    def without(self, places: Sequence[int]) -> Version:
        """Returns a version without the messages at these places, of which there is at least one, in rising order."""
        fresh = Version(self.uids, self.modseqs, self.flags)
        for part in (fresh.uids, fresh.modseqs, fresh.flags):
            kept = array(part.typecode)
            begin = 0
            for place in places:
                kept.extend(part[begin:place])
                begin = place + 1
            kept.extend(part[begin:])
            part[:] = kept
        return fresh


@dataclass(frozen=True, slots=True)
class Batch:
    """The UIDs that one read found expunged and changed. Sessions go through the batches at their own pace."""

    expunged: Sequence[int]
    changed: Sequence[int]


@dataclass(slots=True)
class Picture:
    """What is known of a mailbox. ``log`` begins with the batch number ``log_start``."""

    mailbox: int
    uidvalidity: int
    version: Version = field(default_factory=Version)
    modseq: int | None = None
    keywords: dict[int, str] = field(default_factory=dict)
    gone: bool = False
    log: list[Batch] = field(default_factory=list)
    log_start: int = 0

    @property
    def last_uid(self) -> int:
        """The highest UID that is known."""
        return self.version.uids[-1] if self.version.uids else 0

    @property
    def log_end(self) -> int:
        """The number of the next batch."""
        return self.log_start + len(self.log)

    def since(self, batch: int) -> list[Batch]:
        """Returns the batches from this number on."""
        return self.log[batch - self.log_start :]

    def trim(self, oldest: int) -> None:
        """Forgets the batches that every session has gone through."""
        if oldest > self.log_start:
            del self.log[: oldest - self.log_start]
            self.log_start = oldest

    def apply(self, news: News | None) -> bool:
        """Takes in what was read, and returns whether a session may have something to tell its client."""
        if news is None:
            self.gone = True
            return True
        self.modseq = news.modseq
        expunged = self._expunge(news.expunged)
        changed = self._change(news.changed)
        version = self.version
        if news.new:
            uids, modseqs, flags = zip(*news.new, strict=True)
            version.uids.extend(uids)
            version.modseqs.extend(modseqs)
            version.flags.extend(flags)
        if expunged or changed:
            self.log.append(Batch(expunged, changed))
        renamed = news.keywords != self.keywords
        if renamed:
            self.keywords = news.keywords
        return bool(expunged or changed or news.new or renamed)

    def _expunge(self, ranges: Sequence[Range]) -> Sequence[int]:
        version = self.version
        count = len(version.uids)
        places = sorted({place for first, last in ranges for place in version.within(first, last, count)})
        if places:
            self.version = version.without(places)
        return array("I", [version.uids[place] for place in places])

    def _change(self, messages: Sequence[Message]) -> Sequence[int]:
        version = self.version
        changed = array("I")
        for uid, modseq, flags in messages:
            place = version.index(uid)
            if place >= 0 and version.modseqs[place] < modseq:
                version.modseqs[place] = modseq
                version.flags[place] = flags
                changed.append(uid)
        return changed
