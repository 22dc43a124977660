"""Jumps of the clock are noticed, told and remembered, and until when somebody looked at it is known after a restart.

In `meta`, under `clock`: the time that was believed last, and the last jumps. What is thrown away because it is old
asks `Store.trusts_time` first; see `guarded`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import msgspec
from twisted.logger import Logger

from mpcontinuity.model.clock import LASTED, SECOND, Jump, Steady, iso
from mpcontinuity.store import meta
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

LOOK_EVERY = 5.0  # s
_NOTE_EVERY = 12  # looks: a minute
_KEPT = 20  # jumps

_KEY = "clock"

_log = Logger()


class Kept(msgspec.Struct, frozen=True):
    """A `clock.Jump` as it is kept and shown. ``whose`` is the server's clock or the database's."""

    time: int
    by: int
    end: str
    whose: str


class Known(msgspec.Struct, frozen=True):
    """What the store remembers of the clock: the time (µs) at which it was last looked at, 0 if it never was, and its
    last jumps."""

    time: int = 0
    jumps: tuple[Kept, ...] = ()


_decode = msgspec.json.Decoder(Known).decode


class Timekeeping:
    """Watches the clocks of one process.

    Call `begin` before anything that drops or sends, then `look` every LOOK_EVERY seconds.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        own = store.clock if isinstance(store.clock, Steady) else None
        clocks = {"the server's": own, "the database's": store.steady}
        self._clocks = {whose: clock for whose, clock in clocks.items() if clock is not None}
        self._told = dict.fromkeys(self._clocks, 0)
        self._looks = 0

    async def begin(self) -> None:
        """Begins with what is kept of the clock. Raises Temporary."""
        known, now = await self._store.run(_begin)
        for whose, clock in self._clocks.items():
            clock.begin(self._store.clock.now() if whose == "the server's" else now, known.time)
        await self.look()

    async def look(self) -> None:
        """Tells and keeps the jumps since the last look, and every minute the time. Raises Temporary."""
        self._store.clock.now()
        news = []
        for whose, clock in self._clocks.items():
            new = clock.changes - self._told[whose]
            self._told[whose] = clock.changes
            news += [(whose, jump) for jump in clock.jumps[-new:]] if new else []
        for whose, jump in news:
            _log.warn("{jump}", jump=told(Kept(jump.time, jump.by, jump.end, whose)))
        if news or self._looks % _NOTE_EVERY == 0:
            await self._store.run(partial(_note, news=news))
        self._looks += 1


def guarded(store: Store, chore: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[None]]:
    """Returns the chore, which drops what is old, as one that is left out while the clock may be wrong."""

    async def do() -> None:
        if store.trusts_time(LASTED):
            await chore()

    return do


def known(tx: Transaction) -> Known:
    """Returns what is kept of the clock."""
    text = meta.get(tx, _KEY)
    return _decode(text) if text else Known()


def told(jump: Kept) -> str:
    """Returns the jump as a sentence for people."""
    way = "ahead" if jump.by > 0 else "back"
    text = f"{jump.whose} clock jumped {way} by {_span(abs(jump.by))} at {iso(jump.time)[:19]}Z"
    return f"{text}: {jump.end}" if jump.end else f"{text}; nothing is dropped or bounced by that until it has lasted"


def _span(micros: int) -> str:
    seconds = round(micros / SECOND)
    days, rest = divmod(seconds, 86400)
    return f"{days} d {rest // 3600} h" if days else f"{seconds // 3600} h {seconds % 3600 // 60} min {seconds % 60} s"


def _begin(tx: Transaction) -> tuple[Known, int]:
    return known(tx), tx.now


def _note(tx: Transaction, news: Sequence[tuple[str, Jump]]) -> None:
    """What is told of a jump in the end takes the place of what was told of it first."""
    jumps = {(jump.whose, jump.time, jump.by): jump for jump in known(tx).jumps}
    for whose, jump in news:
        jumps[whose, jump.time, jump.by] = Kept(jump.time, jump.by, jump.end, whose)
    value = msgspec.json.encode(Known(tx.now, tuple(jumps.values())[-_KEPT:])).decode()
    meta.put(tx, _KEY, value)
