"""Messages that were answered 250 while nobody knows yet whether the client read it (contract 'No reply').

The fingerprint of each is committed with the message and goes when the client goes on, or closes in order after our
answer was acknowledged: until then, and for a day across restarts, the same message again is answered 250 without a
second copy. Only `sweep` forgets a message by its age, and it is not run while the clock may be wrong (decisions/0016).
Two clients that send the very same message at a time are told apart by what has arrived at the first one: once our
answer has, the second message is another one (inbound/receipt.py, decisions/0004).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from mpcontinuity.model.clock import HOUR, SECOND
from mpcontinuity.model.events import Notice, SameMessage
from mpcontinuity.model.timer import Alarm, Timer
from mpcontinuity.store.driver import Again
from mpcontinuity.store.statement import Rows, Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

REMEMBERED = 24 * HOUR
PATIENCE = 5.0  # seconds that a message waits for the answer in another session to arrive, or its client to vanish
IN_HAND = 60.0  # seconds that a message waits for another session to answer the same one
_LOOK_AGAIN = 0.5  # seconds
_ANSWERS = 1.0  # seconds within which another process, if it has the session, has looked and told
GATHER = 0.05  # seconds in which fingerprints are gathered for one deletion
STEP = 500  # rows of one transaction
_SMALL = 16_384

_ADD = Rows("INSERT INTO answered (fingerprint, time) VALUES [2] ON CONFLICT (fingerprint) DO NOTHING")
_KNOWN = Rows("SELECT fingerprint FROM answered WHERE fingerprint IN (VALUES [1])")
_FIND = Statement("SELECT 1 FROM answered WHERE fingerprint = :fingerprint")
_AGE = Statement("SELECT :now - time FROM answered WHERE fingerprint = :fingerprint")
_FORGET = Rows("DELETE FROM answered WHERE fingerprint IN (VALUES [1])")
_SWEEP = Statement(
    "DELETE FROM answered WHERE fingerprint IN (SELECT fingerprint FROM answered WHERE time < :oldest LIMIT :step)"
)

_log = Logger()


def _ask(tx: Transaction, fingerprints: Collection[bytes]) -> None:
    tx.announce(SameMessage(tuple(one.hex() for one in fingerprints)))


class Digest:
    """The BLAKE2b-128 of a message's content, taken as the content arrives."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)

    def update(self, data: bytes) -> None:
        """Takes the next octets."""
        # hashlib gives up the interpreter for more than 2,047 octets, and getting it back from a busy writer thread
        # costs twenty times what hashing a small message does.
        if len(data) > _SMALL:
            self._hash.update(data)
            return
        for start in range(0, len(data), 2047):
            self._hash.update(data[start : start + 2047])

    def value(self) -> bytes:
        """Returns the 16 octets of the digest of all that was taken."""
        return self._hash.digest()


def fingerprint(reverse_path: str, recipient_key: str, digest: bytes) -> bytes:
    """Returns the 16 octets by which the same message to the same recipient is recognised.

    ``digest`` is that of the content as the client sent it.
    """
    text = f"{reverse_path}\0{recipient_key}\0".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text + digest, digest_size=16).digest()


def note(tx: Transaction, fingerprints: Iterable[bytes]) -> set[bytes]:
    """Notes that these are answered 250, and returns those of them that are new: the others were answered before.

    Raises Again where another process answers one of them at this moment.
    """
    asked = list(dict.fromkeys(fingerprints))
    # Mostly none: a statement that returns all that is new costs a switch of threads for each under load.
    known = {found for (found,) in tx.rows(_KNOWN, [(one,) for one in asked])}
    fresh = [one for one in asked if one not in known]
    if tx.run_rows(_ADD, [(one, tx.now) for one in fresh]) < len(fresh):
        raise Again("the same message was answered by another process at this moment")
    return set(fresh)


def find(tx: Transaction, fingerprints: Iterable[bytes]) -> set[bytes]:
    """Returns those that were answered 250 before."""
    return {one for one in fingerprints if tx.one(_FIND, fingerprint=one)}


def ages(tx: Transaction, fingerprints: Iterable[bytes]) -> list[int]:
    """Returns how many µs ago each of those that are remembered was answered, in no order."""
    found = (tx.value(_AGE, fingerprint=one, now=tx.now) for one in fingerprints)
    return [age for age in found if age is not None]


def forget(tx: Transaction, fingerprints: Iterable[bytes]) -> None:
    """Forgets these: their clients have read the answer."""
    tx.run_rows(_FORGET, [(one,) for one in fingerprints])


def _forget_old(tx: Transaction) -> int:
    """Forgets up to STEP messages that were answered more than REMEMBERED ago. Returns how many."""
    return tx.run(_SWEEP, oldest=tx.now - REMEMBERED, step=STEP)


async def sweep(store: Store) -> None:
    """Forgets all messages that were answered more than REMEMBERED ago, in steps. Raises Temporary."""
    while await store.run(_forget_old, bulk=True) == STEP:
        pass


class _Held:
    """A message that a session has in hand, or has answered without having heard of its client since."""

    __slots__ = ("answered_at", "look", "waiters")

    def __init__(self) -> None:
        self.answered_at: float | None = None
        self.look: Callable[[], None] | None = None  # whether the answer has arrived
        self.waiters: list[Deferred[None]] = []

    def wake(self) -> None:
        waiters, self.waiters = self.waiters, []
        for waiter in waiters:
            waiter.callback(None)


class Answered:
    """The messages that sessions of one process have in hand, or have answered without having heard of their client
    since.

    It is used in the reactor thread only. It takes one entry in memory for each such message.
    """

    def __init__(self, store: Store, timer: Timer) -> None:
        self._store = store
        self._timer = timer
        self._held: dict[bytes, _Held] = {}
        self._leaving: list[bytes] = []  # confirmed; their rows are to be deleted
        self._alarm: Alarm | None = None
        store.listen(self._heard)

    async def claim(self, fingerprints: Iterable[bytes]) -> set[bytes] | None:
        """Claims messages for one session, and returns those that are its to handle; the others were answered 250.

        Returns None where another session has one of them in hand for longer than IN_HAND. Whoever claims ends it by
        `release`, or by `answered` and then `went_on` or `lost`.
        """
        ours: set[bytes] = set()
        for one in sorted(set(fingerprints)):  # in one order, so that no two wait for each other
            if one not in self._held or await self._comes_free(one):
                self._held[one] = _Held()
                ours.add(one)
            elif self._held[one].answered_at is None:
                self.release(ours)
                return None
        return ours

    async def _comes_free(self, one: bytes) -> bool:
        """Waits until no other session holds it. False: it does, for as long as one may wait."""
        patience = self._timer.seconds() + IN_HAND
        while (held := self._held.get(one)) is not None:
            until = patience if held.answered_at is None else held.answered_at + PATIENCE
            left = until - self._timer.seconds()
            if left <= 0:
                return False
            if one in self._leaving:
                self._flush()
            else:
                await self._changed(held, min(left, _LOOK_AGAIN))
                if held.look is not None:
                    held.look()
        return True

    def _changed(self, held: _Held, seconds: float) -> Deferred[None]:
        """Fires when the other session has come further, or after that time."""
        waiter: Deferred[None] = Deferred()
        held.waiters.append(waiter)
        timer = self._timer.callLater(seconds, held.wake)

        def settled(_: None) -> None:
            if timer.active():
                timer.cancel()

        return waiter.addCallback(settled)

    async def told_elsewhere(self, fingerprints: Collection[bytes]) -> bool:
        """Returns whether the client that was answered has not got that answer within PATIENCE.

        It is asked for messages that the table knows and whose session may be in another process. True means that the
        sender repeats the message, which is taken once; False that the client has its answer, and this is another
        message of the same content.
        """
        if self._store.election.alone:
            return True
        begun = self._timer.seconds()
        while True:
            await self._store.run(partial(_ask, fingerprints=fingerprints))
            await self._passes(_LOOK_AGAIN)
            known = await self._store.read(partial(ages, fingerprints=fingerprints))
            if len(known) < len(fingerprints):
                return False
            # Whoever has its session has had the time to say so.
            if min(known) >= PATIENCE * SECOND and self._timer.seconds() - begun >= _ANSWERS:
                return True

    def _passes(self, seconds: float) -> Deferred[None]:
        passed: Deferred[None] = Deferred()
        self._timer.callLater(seconds, passed.callback, None)
        return passed

    def _heard(self, notices: Sequence[Notice]) -> None:
        for notice in notices:
            if isinstance(notice, SameMessage):
                for one in notice.fingerprints:
                    held = self._held.get(bytes.fromhex(one))
                    if held is not None and held.look is not None:
                        held.look()

    def release(self, fingerprints: Iterable[bytes]) -> None:
        """Ends the claim of messages that were not taken. Sessions that wait for them go on."""
        for one in fingerprints:
            held = self._held.pop(one, None)
            if held is not None:
                held.wake()

    def answered(self, fingerprints: Iterable[bytes]) -> None:
        """Notes that these are committed and answered 250."""
        now = self._timer.seconds()
        for one in fingerprints:
            held = self._held[one]
            held.answered_at = now
            held.wake()

    def on_its_way(self, fingerprints: Iterable[bytes], look: Callable[[], None]) -> None:
        """Notes that the answer is being written. ``look`` sees whether it has arrived, and calls `went_on` if so."""
        for one in fingerprints:
            self._held[one].look = look

    def lost(self, fingerprints: Iterable[bytes]) -> None:
        """Ends the claim: the client vanished and cannot have read the answer, so the table remembers it for a day."""
        self.release(fingerprints)

    def went_on(self, fingerprints: Iterable[bytes]) -> None:
        """Ends the claim: the client has read our answer, so the same message again would be another one."""
        awaited = False
        now = self._timer.seconds()
        for one in fingerprints:
            held = self._held[one]
            held.look = None
            held.answered_at = now  # the patience of others begins anew: the row is about to go
            awaited = awaited or bool(held.waiters)
            self._leaving.append(one)
        if awaited or len(self._leaving) >= STEP:
            self._flush()
        elif self._alarm is None:
            self._alarm = self._timer.callLater(GATHER, self._flush)

    def stop(self) -> Deferred[None]:
        """Deletes what is confirmed by now; the Deferred fires when that is done."""
        return self._flush()

    def _flush(self) -> Deferred[None]:
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()
        self._alarm = None
        leaving, self._leaving = self._leaving, []
        done = self._store.run(partial(forget, fingerprints=leaving), bulk=True)
        return done.addErrback(self._failed).addCallback(lambda _: self.release(leaving))

    def _failed(self, failure: Failure) -> None:
        # The rows stay for their day; at the worst the very same message is taken once only.
        _log.warn("confirmed messages stay remembered: {failure}", failure=failure.getErrorMessage(), often=True)
