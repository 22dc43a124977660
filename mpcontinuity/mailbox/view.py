"""A session's view of the mailbox that it has selected: message numbers, and what is to be told (RFC 9051 §5.2,
§7.5.1)."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from mpcontinuity.mailbox import recent
from mpcontinuity.mailbox.append import MAX_UID
from mpcontinuity.mailbox.mailboxes import MailboxInfo
from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.mailbox.picture import modseqs
from mpcontinuity.mailbox.selected import MOST_CHANGES, SelectedMailbox
from mpcontinuity.model import uidset
from mpcontinuity.model.errors import Stopping, Temporary
from mpcontinuity.model.events import Everything, MailboxChanged, Notice
from mpcontinuity.model.flags import SEEN
from mpcontinuity.model.uidset import Range
from mpcontinuity.store.store import Store

# Pictures that no session looks at, kept for the next one: clients go to and fro between folders, and open several
# connections one after the other. 24 bytes per message: 24 MB at the most.
_IDLE_PICTURES = 1000
_IDLE_MESSAGES = 1_000_000
_AT_ONCE = 1000  # mailboxes looked at by one read
_AT_A_STRETCH = 250  # changes that a session looks at and tells of before others have their turn: about a ms


@dataclass(frozen=True, slots=True)
class Exists:
    """The number of messages has changed (EXISTS)."""

    count: int


@dataclass(frozen=True, slots=True)
class Expunge:
    """A message has gone (EXPUNGE).

    ``sequence`` is its number when this is told: each one shifts the numbers above it.
    """

    sequence: int


@dataclass(frozen=True, slots=True)
class FlagsChanged:
    """The flags of a message have changed (FETCH)."""

    sequence: int
    uid: int
    flags: int
    modseq: int


@dataclass(frozen=True, slots=True)
class KeywordsChanged:
    """The mailbox has a new keyword, so that FLAGS must be told again, before flags that use it."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The mailbox was deleted under the session."""


Update = Exists | Expunge | FlagsChanged | KeywordsChanged | Gone


class View:
    """What the client of one session knows. Message numbers count from 1 to ``exists``."""

    def __init__(
        self, selected: SelectedMailbox[View], closed: Callable[[SelectedMailbox[View]], None], *, takes_recent: bool
    ) -> None:
        r"""Begins a view. With ``takes_recent``, what this client is told of is ``\Recent`` for no other."""
        self._selected = selected
        self._closed = closed
        self._callback: Callable[[], None] | None = None
        self._own: set[int] = set()
        self._takes_recent = takes_recent
        self._recent: list[Range] = []  # UIDs, rising
        self._untold: Iterator[Update | None] | None = None
        self._told = 0  # the last UID that this client was told of
        self._adopt()
        self._keywords = self._picture.keywords

    def _adopt(self) -> None:
        self._picture = self._selected.picture
        self._version = self._picture.version
        self.exists = len(self._version.uids)
        self._expunges_at = self._changes_at = self._picture.log_end

    def _tell_all(self) -> None:
        """The client is told of all that is there; what nobody was told of before is recent."""
        first, last = max(self._told, self._selected.told) + 1, self._picture.last_uid
        self._told = max(self._told, last)
        if first > last:
            return
        if self._recent and self._recent[-1][1] + 1 == first:
            first = self._recent.pop()[0]
        self._recent.append((first, last))
        if self._takes_recent:
            self._selected.told = last

    @property
    def recent(self) -> int:
        """How many messages are recent for this client."""
        places = (self._version.within(first, last, self.exists) for first, last in self._recent)
        return sum(len(place) for place in places)

    def is_recent(self, uid: int) -> bool:
        """Returns whether a message is recent for this client."""
        if not self._recent:
            return False
        place = bisect_right(self._recent, (uid, MAX_UID))
        return place > 0 and uid <= self._recent[place - 1][1]

    @property
    def mailbox(self) -> int:
        """The id of the mailbox."""
        return self._picture.mailbox

    @property
    def uidvalidity(self) -> int:
        """The UIDVALIDITY of the mailbox."""
        return self._picture.uidvalidity

    @property
    def modseq(self) -> int:
        """The highest modseq of the mailbox, as far as the picture goes."""
        return self._picture.modseq or 1

    @property
    def gone(self) -> bool:
        """Whether the mailbox was deleted."""
        return self._picture.gone

    @property
    def keywords(self) -> dict[int, str]:
        """The names of the keywords, by bit."""
        return self._picture.keywords

    @property
    def complete(self) -> bool:
        """Whether the picture has every change up to its modseq. Flags that other processes set are heard of later."""
        selected = self._selected
        return not selected.busy and not selected.changed and not selected.missed(self.modseq)

    def names(self, flags: int) -> list[str]:
        """Returns the keywords among the flags."""
        return [name for bit, name in self._picture.keywords.items() if flags >> bit & 1]

    def uid(self, sequence: int) -> int:
        """Returns the UID of a message number. Raises IndexError."""
        if not 0 < sequence <= self.exists:
            raise IndexError(sequence)
        return self._version.uids[sequence - 1]

    def uids(self, first: int = 1, last: int | None = None) -> array[int]:
        """Returns the UIDs of the messages ``first`` to ``last``, or of all."""
        return self._version.uids[first - 1 : self.exists if last is None else min(last, self.exists)]

    def sequence(self, uid: int) -> int:
        """Returns the message number of a UID, or 0 where this view has no such message."""
        place = self._version.index(uid) + 1
        return place if place <= self.exists else 0

    def sequences(self, ranges: Sequence[Range], *, uid: bool, lenient: bool = False) -> tuple[Range, ...]:
        """Returns a set of numbers or UIDs as ranges of message numbers, sorted and disjoint.

        UIDs that are not there are left out.

        Raises ValueError for a message number that is not there, which is an error of the client (RFC 9051 §9), unless
        ``lenient``: then it is left out as well.
        """
        if not uid:
            if lenient:
                present = ((first, min(last, self.exists)) for first, last in uidset.resolve(ranges, self.exists))
                return tuple((first, last) for first, last in present if 0 < first <= last)
            if any(max(pair) > self.exists for pair in ranges) or not self.exists:
                raise ValueError(f"there are {self.exists} messages")
            return uidset.resolve(ranges, self.exists)
        if not self.exists:
            return ()
        largest = self._version.uids[self.exists - 1]
        return uidset.merge(self._version.places(uidset.resolve(ranges, largest), self.exists))

    def flags(self, sequence: int) -> int:
        """Returns the flags of a message."""
        return self._state(sequence - 1)[0]

    def flags_of_all(self) -> Sequence[int]:
        """Returns the flags of every message in this view, in order."""
        return self._flags(0, self.exists)

    def _flags(self, first: int, end: int) -> Sequence[int]:
        if self._version is self._picture.version:
            return self._version.flags[first:end]
        return [self._state(place)[0] for place in range(first, end)]

    def flagged(self, mask: int, first: int = 1, last: int | None = None, *, present: bool = True) -> list[int]:
        """Returns the UIDs, among the messages ``first`` to ``last`` or all, of those that have one of these flags, or
        none of them if ``present`` is false."""
        end = self.exists if last is None else min(last, self.exists)
        return [
            uid
            for uid, flags in zip(self._version.uids[first - 1 : end], self._flags(first - 1, end), strict=True)
            if bool(flags & mask) is present
        ]

    def first_unseen(self) -> int:
        r"""Returns the number of the first message without ``\Seen``, or 0."""
        return next((number for number, flags in enumerate(self.flags_of_all(), 1) if not flags & SEEN), 0)

    def known(self, uids: Iterable[int]) -> dict[int, int]:
        """Returns the modseqs of these messages as far as the client was told of their flags; 0 where more is to be
        told."""
        picture = self._picture
        untold = {uid for batch in picture.since(self._changes_at) for uid in batch.changed}
        version = picture.version
        places = ((uid, version.index(uid)) for uid in uids)
        return {uid: 0 if uid in untold or place < 0 else version.modseqs[place] for uid, place in places}

    def latest(self, uid: int, flags: int, modseq: int) -> int:
        """Returns the flags of a message, as they were read with that modseq, or as the picture has them where that is
        newer.

        What the client was told already must not be followed by what was before.
        """
        version = self._picture.version
        place = version.index(uid)
        return version.flags[place] if place >= 0 and version.modseqs[place] > modseq else flags

    def own(self, modseq: int) -> None:
        """Notes that the session itself has told its client what it changed with this modseq, so that ``poll`` leaves
        it out."""
        self._own.add(modseq)

    def refresh(self, modseq: int = 0) -> Deferred[None]:
        """Fires when everything that was committed before is in the picture, so that ``poll`` tells of it.

        What has this ``modseq`` was read beside the picture: its notice may still be on the way.
        """
        if modseq > self.modseq:
            self._selected.dirty = True
        return self._selected.settled()

    def knows_keywords(self, modseq: int) -> bool:
        """Returns whether the client was told of every keyword that a message with this modseq may have."""
        return modseq <= self.modseq and self._keywords is self._picture.keywords

    def on_change(self, callback: Callable[[], None] | None) -> None:
        """Has ``callback`` called once per read that found something, in the reactor thread. IDLE needs that."""
        self._callback = callback

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for `on_change`."""
        return self._callback is not None

    def tell(self) -> None:
        """Is called when there is something new."""
        if self._callback is not None:
            self._callback()

    @property
    def untold(self) -> bool:
        """Whether the last ``poll`` left something for the next."""
        return self._untold is not None

    def poll(self, expunges: bool, most: int = 0) -> list[Update]:
        """Returns what the client has to be told now, in this order, of at most ``most`` changes (or _AT_A_STRETCH).

        From then on the view has it. While there is more (``untold``), ``poll`` is called again before the client may
        say anything else. Without ``expunges`` (during FETCH, STORE and SEARCH, RFC 9051 §7.5.1) a view that lags
        behind an expunge does not see new messages either.
        """
        picture = self._picture
        if picture.gone:
            return [Gone()]
        if self._untold is None:
            if (
                self._version is picture.version
                and self.exists == len(picture.version.uids)
                and self._changes_at == picture.log_end
                and self._keywords is picture.keywords
            ):
                return []
            self._untold = self._updates(expunges)
        most = most or _AT_A_STRETCH
        portion = list(islice(self._untold, most))
        if len(portion) < most:
            self._untold = None
        return [update for update in portion if update is not None]

    def _updates(self, expunges: bool) -> Iterator[Update | None]:
        """What is new in the picture as it is when the first is asked for, with flags as they are when they are told:
        100,000 of them take half a second. None: one was looked at that is not told."""
        before = known = self.exists
        hits = self._catch_up(expunges)
        if hits is not None:
            known -= len(hits)
            yield from (Expunge(place + 1) for place in hits)
            if self.exists != known:
                yield Exists(self.exists)
            before = known
        yield from self._changed_flags(before)

    def _catch_up(self, expunges: bool) -> Sequence[int] | None:
        """Adopts the present version if that is permitted. The places, falling, of the messages that went."""
        picture = self._picture
        known = self.exists
        hits: Sequence[int] = ()
        if self._version is not picture.version:
            hits = self._selected.went(self._version, self._expunges_at, known)
            if hits and not expunges:
                return None
            self._version = picture.version
        self._expunges_at = picture.log_end
        self.exists = len(self._version.uids)
        if self.exists != known - len(hits):
            self._tell_all()
        return hits

    def _changed_flags(self, before: int) -> Iterator[Update | None]:
        """Of the first ``before`` messages."""
        picture, version = self._picture, self._version
        batches = picture.since(self._changes_at)
        self._changes_at = picture.log_end
        picture.trim(min(min(view._expunges_at, view._changes_at) for view in self._selected.views))
        if self._named_anew():
            yield KeywordsChanged()
        told: set[int] = set()
        for uid in chain.from_iterable(batch.changed for batch in batches):
            place, current = version.index(uid), picture.version.index(uid)
            if uid in told or not 0 <= place < before or current < 0:
                yield None
                continue
            told.add(uid)
            if self._named_anew():  # another one was made since the last portion
                yield KeywordsChanged()
            modseq = picture.version.modseqs[current]
            own = modseq in self._own
            yield None if own else FlagsChanged(place + 1, uid, picture.version.flags[current], modseq)
        if not self._selected.busy:
            self._own.clear()

    def _named_anew(self) -> bool:
        """Whether there are keywords that the client was not told of; from then on it is."""
        known, self._keywords = self._keywords, self._picture.keywords
        return known is not self._keywords

    def _state(self, place: int) -> tuple[int, int]:
        """Flags and modseq; of a message that is expunged already, the last ones."""
        if not 0 <= place < self.exists:
            raise IndexError(place + 1)
        version, current = self._version, self._picture.version
        if version is not current:
            there = current.index(version.uids[place])
            if there >= 0:
                version, place = current, there
        return version.flags[place], version.modseqs[place]

    def close(self) -> None:
        """Ends the view."""
        self._callback = None
        if self in self._selected.views:
            self._selected.views.discard(self)
            self._closed(self._selected)


def _not_written(failure: Failure) -> None:
    """Then more messages are recent than need be."""
    failure.trap(Temporary, Stopping)  # type: ignore[no-untyped-call]


class Views:
    """All views of a server."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._selected: dict[int, SelectedMailbox[View]] = {}
        self._idle: OrderedDict[int, SelectedMailbox[View]] = OrderedDict()
        self._idle_messages = 0
        store.listen(self._heard)

    async def open(self, info: MailboxInfo, *, takes_recent: bool = False) -> View:
        """Opens a view. ``takes_recent`` is true for SELECT, not for EXAMINE (RFC 3501 §6.3.2).

        Raises MailboxRefused when the mailbox is gone meanwhile, and Temporary when it cannot be read.
        """
        recent_after = await self._take_recent(info) if takes_recent else info.recent
        selected = self._selected.get(info.id)
        if selected is None or selected.picture.gone:
            selected = self._selected[info.id] = SelectedMailbox(self._store, info.id, info.uidvalidity)
        self._woken(selected)
        if selected.picture.modseq is not None and selected.picture.modseq < info.modseq:
            selected.dirty = True  # its notice is still on the way
        selected.told_in_store = max(selected.told_in_store, info.uidnext - 1 if takes_recent else 0)
        view = View(selected, self._closed, takes_recent=takes_recent)
        selected.views.add(view)  # so that nobody drops it while it is read
        try:
            await selected.settled()
        except BaseException:
            view.close()
            raise
        if selected.picture.gone:
            view.close()
            raise MailboxRefused("NONEXISTENT", "no such mailbox")
        view._adopt()
        view._keywords = selected.picture.keywords
        view._told = recent_after
        view._tell_all()
        return view

    async def _take_recent(self, info: MailboxInfo) -> int:
        """The watermark as it was."""
        if info.recent >= info.uidnext - 1:
            return info.recent
        try:
            return await self._store.run(partial(recent.take, mailbox=info.id))
        except Temporary:  # a full disk keeps nobody from reading
            return info.recent

    def told(self, info: MailboxInfo) -> int:
        """Returns the last UID that a session was told of as recent."""
        selected = self._selected.get(info.id)
        return max(info.recent, selected.told if selected is not None else 0)

    def _heard(self, notices: Sequence[Notice]) -> None:
        if any(isinstance(notice, Everything) for notice in notices):
            Deferred.fromCoroutine(self._look_again())
        touched = set()
        for notice in notices:
            if isinstance(notice, MailboxChanged):
                selected = self._selected.get(notice.mailbox)
                if selected is not None:
                    selected.announced(notice)
                    touched.add(selected)
        for selected in touched:
            if selected.views:
                selected.read()
            elif len(selected.changed) > MOST_CHANGES:
                self._forget(selected)

    async def _look_again(self) -> None:
        """Changes may have gone unheard."""
        known = [selected for selected in self._selected.values() if selected.picture.modseq is not None]
        for begin in range(0, len(known), _AT_ONCE):
            some = known[begin : begin + _AT_ONCE]
            try:
                work = partial(modseqs, mailboxes=[selected.picture.mailbox for selected in some])
                found: dict[int, int] | None = await self._store.read(work)
            except (Temporary, Stopping):
                found = None  # the next command finds out, or the next time
            for selected in some:
                modseq = selected.picture.modseq or 0
                now = modseq if found is None else found.get(selected.picture.mailbox)
                if now is None or found is None or selected.missed(now):
                    self._missed(selected, now or modseq)

    def _missed(self, selected: SelectedMailbox[View], modseq: int) -> None:
        if not selected.views:
            self._forget(selected)
            return
        selected.read_all(modseq)
        if any(view.awaited for view in selected.views):
            selected.read()

    def _closed(self, selected: SelectedMailbox[View]) -> None:
        if selected.told > selected.told_in_store and not selected.picture.gone:
            selected.told_in_store = selected.told
            work = partial(recent.raise_to, mailbox=selected.picture.mailbox, uid=selected.told)
            self._store.run(work, bulk=True).addErrback(_not_written)
        if selected.views:
            return
        if selected.picture.gone or selected.picture.modseq is None:
            self._forget(selected)
            return
        selected.rest()
        self._idle[selected.picture.mailbox] = selected
        self._idle_messages += len(selected.picture.version.uids)
        while len(self._idle) > _IDLE_PICTURES or self._idle_messages > _IDLE_MESSAGES:
            self._forget(next(iter(self._idle.values())))

    def _woken(self, selected: SelectedMailbox[View]) -> None:
        if self._idle.pop(selected.picture.mailbox, None) is not None:
            self._idle_messages -= len(selected.picture.version.uids)

    def _forget(self, selected: SelectedMailbox[View]) -> None:
        self._woken(selected)
        if self._selected.get(selected.picture.mailbox) is selected:
            del self._selected[selected.picture.mailbox]
