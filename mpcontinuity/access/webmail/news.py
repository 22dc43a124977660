"""What is new for users whose pages are open: their folders' counts, and what is to be said of continuity.

Nothing is queued: whoever listens is woken by the store's notices, which come from every node, reads how things are,
and tells what differs from what it told last. So nothing is missed, and who does not read costs no memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec
from twisted.internet.defer import Deferred

from mpcontinuity.accounts.users import User
from mpcontinuity.control.bulletin import Bulletin, bulletin
from mpcontinuity.mailbox import mailboxes
from mpcontinuity.mailbox.mailboxes import MailboxInfo
from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.events import (
    AccountsChanged,
    DomainsChanged,
    Everything,
    HomeChanged,
    MailboxChanged,
    MailboxListChanged,
    Notice,
    OwedChanged,
)
from mpcontinuity.model.places import Places
from mpcontinuity.model.randomness import Randomness
from mpcontinuity.model.rations import Rations
from mpcontinuity.model.timer import Alarm, Timer
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

HEARTBEAT: Final = 15.0  # s: proxies close what is silent for a minute, and a session that was ended ends as soon
GATHER: Final = 0.25  # s from a change until it is told: what a program does message by message is told together
# s until what concerns a whole domain is told: in an outage each message of it is such a change, and not all pages of a
# domain are to look in the same moment.
SOONEST: Final = 1.0
LATEST: Final = 5.0
MOST: Final = 2_000  # who listen to a process: each has a connection; a host has a part of them (model/places.py)
MOST_EACH: Final = 10  # of one user: a few browsers; the tabs of one share a connection


class Counts(msgspec.Struct, frozen=True):
    """How a folder is: the highest modseq, how many messages there are, in all and unread, and the UID that the next
    one gets: by that and by what is unread a page knows that mail has come."""

    mailbox: int
    modseq: int
    messages: int
    unseen: int
    uidnext: int


@dataclass(frozen=True, slots=True)
class State:
    """How things are for a user, as far as pages show it."""

    folders: tuple[MailboxInfo, ...]
    bulletin: Bulletin

    @property
    def id(self) -> str:
        """What tells this state of the folders from others: who comes back with it has missed nothing."""
        text = ",".join(f"{each.id}:{each.modseq}:{each.name}" for each in self.folders)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class Listener:
    """One open page, or the tabs of one browser."""

    def __init__(self, news: News, user: User, peer: str) -> None:
        self.user = user
        self.peer = peer
        self._news = news
        self._heard: Deferred[None] | None = None
        self._alarm: Alarm | None = None
        self._woken = False
        self._later: Alarm | None = None

    async def wait(self, within: float) -> bool:
        """Waits until something may have changed, and a moment longer for what changes with it; up to ``within``
        seconds. Returns whether anything may have."""
        if not self._woken:
            await self._pause(within)
        woken = self._woken
        if woken:
            self._woken = False
            await self._pause(GATHER)
            self._woken = False  # what was heard meanwhile is read now
        return woken

    async def look(self) -> State:
        """Returns how things are. Raises Temporary."""
        return await self._news.store.read(partial(_state, user=self.user))

    def close(self) -> None:
        """Listens no more."""
        self._news.leave(self)
        self._forget_later()
        self._wake()

    def hear(self) -> None:
        """Is called when something may have changed."""
        self._forget_later()  # whoever looks now sees all
        self._woken = True
        self._wake()

    def hear_within(self, seconds: float) -> None:
        """Is called when something may have changed that is looked at in some seconds, with what changes meanwhile."""
        if self._later is None and not self._woken:
            self._later = self._news.timer.callLater(seconds, self.hear)

    def _forget_later(self) -> None:
        if self._later is not None and self._later.active():
            self._later.cancel()
        self._later = None

    async def _pause(self, seconds: float) -> None:
        self._heard = heard = Deferred[None]()
        self._alarm = self._news.timer.callLater(seconds, self._wake)
        try:
            await heard
        finally:  # also where whoever waits is cancelled, which fires it
            self._heard = None
            self._wake()

    def _wake(self) -> None:
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()
        heard, self._heard = self._heard, None
        if heard is not None and not heard.called:
            heard.callback(None)


class News:
    """All who listen to one process, in the reactor thread."""

    def __init__(self, store: Store, timer: Timer, randomness: Randomness, rations: Rations) -> None:
        self.store = store
        self._places = Places(MOST, rations)
        self.timer = timer
        self._randomness = randomness
        self._of_account: dict[int, set[Listener]] = {}
        store.listen(self._heard)

    def listen(self, user: User, peer: str) -> Listener:
        """Returns somebody at ``peer`` (an IP address) who hears what is new for the user. Raises Temporary where too
        many listen: of them, of that host, or in all."""
        if len(self._of_account.get(user.id, ())) >= MOST_EACH or not self._places.take(peer):
            raise Temporary("too many listen to what is new")
        listener = Listener(self, user, peer)
        self._of_account.setdefault(user.id, set()).add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """Tells a listener nothing more."""
        listeners = self._of_account.get(listener.user.id, set())
        if listener in listeners:
            listeners.discard(listener)
            self._places.release(listener.peer)
        if not listeners:
            self._of_account.pop(listener.user.id, None)

    @property
    def count(self) -> int:
        """How many listen."""
        return len(self._places)

    def _heard(self, notices: Sequence[Notice]) -> None:
        if not self._of_account:
            return
        accounts: set[int] = set()
        domains: set[int] = set()
        everybody = False
        for notice in notices:
            match notice:
                case MailboxChanged() | MailboxListChanged():
                    accounts.add(notice.account)
                case AccountsChanged():
                    accounts.add(notice.account)
                    if not notice.account:
                        domains.add(notice.domain)
                case HomeChanged() | OwedChanged():
                    domains.add(notice.domain)
                case DomainsChanged() | Everything():
                    everybody = True
        for account in accounts & self._of_account.keys():
            for listener in list(self._of_account[account]):
                listener.hear()
        if domains or everybody:
            for listener in [each for some in self._of_account.values() for each in some]:
                if everybody or listener.user.domain in domains:
                    listener.hear_within(self._later())

    def _later(self) -> float:
        return SOONEST + self._randomness.below(int((LATEST - SOONEST) * 1000)) / 1000


def counts(info: MailboxInfo) -> Counts:
    """Returns what is told of a folder."""
    return Counts(info.id, info.modseq, info.messages, info.unseen, info.uidnext)


def _state(tx: Transaction, user: User) -> State:
    return State(tuple(mailboxes.listing(tx, user.id)), bulletin(tx, user))
