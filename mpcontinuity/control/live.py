"""What happens, told to administrators as it happens: messages, states of home servers, and how far recovery has come.

It is read from the store, so that it is told whatever process it happened in. One reader of a process looks for all who
listen, and nobody looks while nobody listens. Rows that others write are committed in another order than that of their
ids, so each look goes back for some seconds, and knows what it has told.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable
from functools import partial
from typing import Final, NamedTuple

import msgspec
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mpcontinuity.accounts import domains, home_history
from mpcontinuity.control.arguments import row_id
from mpcontinuity.control.caller import Caller
from mpcontinuity.control.status import StateChange
from mpcontinuity.model import identifier
from mpcontinuity.model.clock import HOUR, SECOND, iso
from mpcontinuity.model.errors import Stopping, Temporary
from mpcontinuity.model.timer import Alarm, Timer
from mpcontinuity.queue import progress
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking import listing
from mpcontinuity.tracking.listing import TrackRow

EVERY: Final = 1.0  # s from one look to the next
MOST: Final = 100  # who listen to a process: each has a connection
MOST_EACH: Final = 10  # of one caller: a few open pages
QUEUED: Final = 1_000  # happenings that one listener has not taken yet; what is more is counted as missed
AGAIN: Final = HOUR  # so far back somebody who was cut off hears what they missed
_BACK: Final = 5 * SECOND  # a transaction that writes a row takes less, and clocks of nodes differ by less
_LOOK: Final = 5_000  # ids of one look, and rows of each other kind
_ROWS: Final = 500  # messages of one look: a second of a busy server; the newest where there are more

_log = Logger()


class RecoveryPace(msgspec.Struct, frozen=True):
    """How far a flush has come: ``done`` messages since ``began`` (ISO 8601), ``per_minute`` of them in the last
    minute. ``throttled`` is what home says where it asks for less."""

    began: str
    done: int
    per_minute: int
    throttled: str


class Unseen(msgspec.Struct, frozen=True):
    """So much happened that was not told; ``count`` is 0 where nobody knows how much. The lists have all of it."""

    count: int


class Noticed(msgspec.Struct, frozen=True, kw_only=True, tag_field="event"):
    """Something that happened. ``domain`` is empty for what is of none.

    ``id`` is that of the row that tells of it, in the order of time, and empty where there is none. The same row may
    come twice.
    """

    id: str = ""
    domain: str = ""


class MessageNoticed(Noticed, frozen=True, kw_only=True, tag="message"):
    """A message, as `track` shows it."""

    data: TrackRow


class OutcomeNoticed(Noticed, frozen=True, kw_only=True, tag="outcome"):
    """What became of a message has changed since it was told: the same row of `track`, as it is now. It has no ``id``:
    that of its row is older than what was told before."""

    data: TrackRow


class StateNoticed(Noticed, frozen=True, kw_only=True, tag="state"):
    """A change of the state of a home server, as `status history` shows it."""

    data: StateChange


class RecoveryNoticed(Noticed, frozen=True, kw_only=True, tag="recovery"):
    """How far what a home server is owed has gone there."""

    data: RecoveryPace


class Missed(Noticed, frozen=True, kw_only=True, tag="missed"):
    """There was more than could be told."""

    data: Unseen


Happening = MessageNoticed | OutcomeNoticed | StateNoticed | RecoveryNoticed | Missed


class Listener:
    """One who listens: hears what their caller may see, and no more than is taken."""

    def __init__(self, live: Live, caller: Caller) -> None:
        self.caller = caller
        self._live = live
        self._waiting: deque[Happening] = deque()
        self._missed = 0
        self._heard: Deferred[None] | None = None
        self._alarm: Alarm | None = None

    async def take(self, within: float) -> list[Happening]:
        """Returns what has happened, as soon as there is something; an empty list after ``within`` seconds."""
        if not self._waiting and not self._missed:
            self._heard = heard = Deferred[None]()
            self._alarm = self._live.timer.callLater(within, self._wake)
            try:
                await heard
            finally:  # also where whoever waits is cancelled, which fires it
                self._heard = None
                self._wake()
        taken, self._waiting = list(self._waiting), deque()
        if self._missed:
            taken.append(Missed(data=Unseen(self._missed)))
            self._missed = 0
        return taken

    def close(self) -> None:
        """Listens no more."""
        self._live.leave(self)
        self._wake()

    def tell(self, happenings: Iterable[Happening]) -> None:
        """Keeps what this listener may see until it is taken."""
        for happening in happenings:
            if self.sees(happening):
                if len(self._waiting) < QUEUED:
                    self._waiting.append(happening)
                else:
                    self._missed += 1
        if self._waiting or self._missed:
            self._wake()

    def sees(self, happening: Happening) -> bool:
        """Says whether it is of a domain and of a subject that the caller may see."""
        caller = self.caller
        if isinstance(happening, Missed):
            return True
        needed = "mail" if isinstance(happening, MessageNoticed | OutcomeNoticed) else "domains"
        granted = "read" in caller.grants or needed in caller.grants
        return granted and caller.user is None and (caller.domain is None or caller.domain == happening.domain)

    def _wake(self) -> None:
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()
        heard, self._heard = self._heard, None
        if heard is not None:
            heard.callback(None)


class Live:
    """Tells all who listen to one process. It lives in the reactor thread."""

    def __init__(self, store: Store, timer: Timer) -> None:
        self.timer = timer
        self._store = store
        self._listeners: set[Listener] = set()
        self._told: set[int] = set()  # ids of the last seconds
        self._outcomes: set[tuple[int, int]] = set()  # changes of the last seconds: time, and id of the row
        self._since = 0  # µs: what was noted before nobody here wanted to hear
        self._noted = 0  # µs, of the last progress
        self._looking = False

    async def listen(self, caller: Caller, after: str = "") -> Listener:
        """Returns a listener, which has to be closed; first it hears what has happened since the row with the id
        ``after``, in the last hour.

        Raises Refused for what is no id, and Temporary where too many listen.
        """
        last = row_id(after)
        each = Counter(one.caller.name for one in self._listeners)
        if len(self._listeners) >= MOST or each[caller.name] >= MOST_EACH:
            raise Temporary("too many listen to what happens")
        listener = Listener(self, caller)
        self._listeners.add(listener)
        try:
            if last:
                listener.tell(await self._store.read(partial(_since, last=last)))
        except BaseException:
            listener.close()
            raise
        if not self._looking:
            self._looking = True
            self._since = self._noted = self._store.clock.now()
            self._told.clear()
            self._outcomes.clear()
            self._look_later()
        return listener

    def leave(self, listener: Listener) -> None:
        """Tells a listener nothing more."""
        self._listeners.discard(listener)

    def _look_later(self) -> None:
        self.timer.callLater(EVERY, lambda: Deferred.fromCoroutine(self._round()))

    async def _round(self) -> None:
        if not self._listeners:
            self._looking = False
            return
        try:
            await self._look()
        except (Temporary, Stopping):  # the next look goes back as far
            pass
        except Exception:
            _log.failure("nobody is told what happens")
        self._look_later()

    async def _look(self) -> None:
        since = max(self._since, self._store.clock.now() - _BACK)
        told = _Told(frozenset(self._told), frozenset(self._outcomes), self._noted)
        found, news = await self._store.read(partial(_look, since=since, told=told))
        first = identifier.first_at(since)
        self._told = {id_ for id_ in self._told if id_ >= first} | news.ids
        self._outcomes = {change for change in self._outcomes if change[0] >= since} | news.outcomes
        self._noted = news.noted
        for listener in list(self._listeners):
            listener.tell(found)


class _Told(NamedTuple):
    """What was told: ids of rows, changes of outcomes (the time, and the id of the row), and the last progress (µs)."""

    ids: frozenset[int]
    outcomes: frozenset[tuple[int, int]]
    noted: int


def _look(tx: Transaction, *, since: int, told: _Told) -> tuple[list[Happening], _Told]:
    """What is new, and what is told by that."""
    fresh = [id_ for id_ in listing.noted(tx, since=since, limit=_LOOK) if id_ not in told.ids]
    changes = [one for one in home_history.noted(tx, since=since, limit=_LOOK) if one.id not in told.ids]
    outcomes = [one for one in listing.changed(tx, since=since, limit=_LOOK) if one not in told.outcomes]
    found = _messages(tx, fresh) + [_state(change) for change in changes]
    found.sort(key=lambda happening: happening.id)
    found += _changed(tx, outcomes, but=fresh)
    noted = told.noted
    for domain, flush in progress.noted(tx, since=noted, limit=_LOOK):
        pace = RecoveryPace(iso(flush.began), flush.done, flush.per_minute, flush.throttled)
        found.append(RecoveryNoticed(domain=domain, data=pace))
        noted = max(noted, flush.noted)
    return found, _Told(frozenset({*fresh, *(change.id for change in changes)}), frozenset(outcomes), noted)


def _since(tx: Transaction, *, last: int) -> list[Happening]:
    """What has happened since a row, which may have been committed before others with lower ids."""
    cut_off = identifier.moment_of(last) - _BACK
    since = max(cut_off, tx.now - AGAIN)
    fresh = [id_ for id_ in listing.noted(tx, since=since, limit=_LOOK) if id_ != last]
    changes = [one for one in home_history.noted(tx, since=since, limit=_ROWS) if one.id != last]
    found = _messages(tx, fresh) + [_state(change) for change in changes]
    found.sort(key=lambda happening: happening.id)
    found += _changed(tx, listing.changed(tx, since=since, limit=_LOOK), but=fresh)
    return found if since == cut_off else [Missed(data=Unseen(0)), *found]


def _messages(tx: Transaction, ids: list[int]) -> list[Happening]:
    told: list[Happening] = [MessageNoticed(id=row.id, domain=name, data=row) for name, row in _rows(tx, ids)]
    return [Missed(data=Unseen(0)), *told] if len(told) < len(ids) else told


def _changed(tx: Transaction, outcomes: list[tuple[int, int]], but: Collection[int]) -> list[Happening]:
    """Rows whose outcome has changed, each once, as they are now; not those that are told for the first time."""
    ids = list(dict.fromkeys(id_ for _, id_ in outcomes if id_ not in but))
    told: list[Happening] = [OutcomeNoticed(domain=name, data=row) for name, row in _rows(tx, ids)]
    return [Missed(data=Unseen(0)), *told] if len(ids) > _ROWS else told  # a row may be gone by retention


def _rows(tx: Transaction, ids: list[int]) -> list[tuple[str, TrackRow]]:
    """The last of these rows, each with the name of its domain."""
    rows = listing.by_ids(tx, ids[-_ROWS:])
    names = domains.names(tx, {domain for _, domain, _ in rows})
    return [(names.get(domain, ""), row) for _, domain, row in rows]


def _state(change: home_history.HomeChange) -> Happening:
    shown = identifier.show(change.id)
    row = StateChange(shown, change.domain, iso(change.time), change.state, change.reason, change.node, change.left_out)
    return StateNoticed(id=shown, domain=change.domain, data=row)
