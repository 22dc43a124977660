"""A mailbox that sessions of this process have selected: its one picture, and the reads that keep it true."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from functools import partial
from itertools import chain, islice
from typing import Generic, Protocol, TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from mpcontinuity.mailbox.picture import STEP, Picture, Version, read_news
from mpcontinuity.model import uidset
from mpcontinuity.model.errors import Stopping, Temporary
from mpcontinuity.model.events import MailboxChanged
from mpcontinuity.store.store import Store

# Flags that changed while no session looked; beyond, the picture is read anew.
MOST_CHANGES = 1000

_log = Logger()


class Viewer(Protocol):
    """Whoever looks at a mailbox: a view of a session."""

    def tell(self) -> None:
        """Is called when there is something new."""
        ...


T = TypeVar("T", bound=Viewer)


class SelectedMailbox(Generic[T]):
    """One mailbox that sessions have selected: its picture, those who look at it, and the reads that keep it true."""

    def __init__(self, store: Store, mailbox: int, uidvalidity: int) -> None:
        self.picture = Picture(mailbox, uidvalidity)
        self.views: set[T] = set()
        self.dirty = True  # something was announced that no read has seen
        self.changed: set[int] = set()  # UIDs to be read again
        self.told = 0  # the last UID that a session here was told of as recent (mailbox/recent.py)
        self.told_in_store = 0  # the same as it was last written down
        self._complete = 0  # every change up to this modseq was announced here, or is in the picture
        self._beyond: set[int] = set()  # the announced ones above it
        self._store = store
        self._went: tuple[tuple[Version, int, int, int], Sequence[int]] | None = None
        self._running = False  # the loop of reads
        self._awaiting = False  # a read that has not come back
        self._waiting: list[Deferred[None]] = []

    @property
    def busy(self) -> bool:
        """Whether something that was announced is still to be read."""
        return self.dirty or self._awaiting

    def announced(self, notice: MailboxChanged) -> None:
        """Takes a notice of the store, and has the change read."""
        self.dirty = True
        self.changed.update(uidset.numbers(notice.changed))
        if notice.modseq > self._complete:
            self._beyond.add(notice.modseq)
            self._advance(self._complete)

    def missed(self, modseq: int) -> bool:
        """Returns whether the mailbox has this modseq by changes of which not every one was announced."""
        return modseq > self._complete

    def read_all(self, modseq: int) -> None:
        """Has everything read, flags too, which nothing else would find."""
        self.dirty = True
        self.changed.update(self.picture.version.uids)
        self._advance(modseq)

    def _advance(self, complete: int) -> None:
        if complete > self._complete:
            self._beyond = {modseq for modseq in self._beyond if modseq > complete}
        while complete + 1 in self._beyond:
            complete += 1
            self._beyond.discard(complete)
        self._complete = complete
        if len(self._beyond) > MOST_CHANGES:  # something is missing, which `missed` tells without them
            self._beyond.clear()

    def went(self, version: Version, batch: int, known: int) -> Sequence[int]:
        """Returns the places of what went since a batch of the log, falling, among the ``known`` first of that version.

        All sessions in IDLE ask for the same.
        """
        asked = (version, batch, self.picture.log_end, known)
        if self._went is None or self._went[0] != asked:
            # Each was in this version, or came later: UIDs are only added at the end.
            place_of = partial(bisect_left, version.uids)
            expunged = chain.from_iterable(each.expunged for each in self.picture.since(batch))
            places = array("I", (place for place in map(place_of, expunged) if place < known))
            self._went = asked, array("I", sorted(places, reverse=True))
        return self._went[1]

    def rest(self) -> None:
        """Drops what only a view would need, because nobody looks at the mailbox any more."""
        self.picture.trim(self.picture.log_end)
        self._went = None

    def settled(self) -> Deferred[None]:
        """Fires when all that was announced so far is read."""
        if not self.busy:
            return succeed(None)
        waiter: Deferred[None] = Deferred()
        self._waiting.append(waiter)
        self.read()
        return waiter

    def read(self) -> None:
        """Reads what was announced. There is one read at a time, and the next one takes what is announced meanwhile."""
        if not self._running:
            self._running = True
            Deferred.fromCoroutine(self._read()).addErrback(self._failed)

    async def _read(self) -> None:
        picture = self.picture
        told = False
        while self.dirty and not picture.gone:
            self.dirty = False
            taken = sorted(islice(self.changed, STEP))  # any: to sort all of them each time takes long
            self.changed.difference_update(taken)
            work = partial(
                read_news,
                mailbox=picture.mailbox,
                uidvalidity=picture.uidvalidity,
                since=picture.modseq,
                last_uid=picture.last_uid,
                changed=taken,
            )
            waiting, self._waiting = self._waiting, []  # this read begins after they asked
            self._awaiting = True
            try:
                news = await self._store.read(work)
            except BaseException:
                self.dirty = True
                self.changed.update(taken)
                self._waiting[:0] = waiting
                raise
            finally:
                self._awaiting = False
            if news is not None and picture.modseq is None:
                self._advance(news.modseq)
            told = picture.apply(news) or told
            if (news is not None and news.more) or self.changed:
                self.dirty = True
                self._waiting[:0] = waiting
            else:
                self._fire(waiting, told)
                told = False
        self._running = False
        waiting, self._waiting = self._waiting, []
        self._fire(waiting, told)

    def _fire(self, waiting: Sequence[Deferred[None]], told: bool) -> None:
        for waiter in waiting:
            waiter.callback(None)
        if told:
            for view in list(self.views):
                view.tell()

    def _failed(self, failure: Failure) -> None:
        """The next notice or command tries again."""
        self._running = False
        waiting, self._waiting = self._waiting, []
        if not waiting and isinstance(failure.value, Temporary):
            mailbox, reason = self.picture.mailbox, str(failure.value)
            _log.warn("cannot read mailbox {mailbox}: {reason}", mailbox=mailbox, reason=reason, often=True)
        elif not waiting and not isinstance(failure.value, Stopping):
            _log.failure("cannot read mailbox {mailbox}", failure, mailbox=self.picture.mailbox)
        for waiter in waiting:
            waiter.errback(failure)
