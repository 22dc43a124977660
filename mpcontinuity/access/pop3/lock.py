"""One session at a time has a maildrop (RFC 1939 §4), and a client whose last connection was lost is not locked out."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from mpcontinuity.model.timer import Timer

# Seconds without a word from the one who has the maildrop, after which another login of the same user takes it: a
# connection that was lost unnoticed is silent, and so is a client that waits for its user.
SILENT = 3.0

# Seconds that a login waits for one who is at work, before it is refused (RFC 2449 §8.1.1, IN-USE).
PATIENCE = 10.0

_LOOK = 0.25


class Holder:
    """A session that has, or wants, a maildrop.

    ``silent`` says for how many seconds nothing was heard of its client; ``evict`` ends the session.
    """

    def __init__(self, silent: Callable[[], float], evict: Callable[[], None]) -> None:
        self.silent = silent
        self.evict = evict


class Locks:
    """The maildrops that sessions of this process have, by account: a `Holding` (model/sharing.py).

    Two processes do not know of each other's sessions: whoever comes second there finds messages gone that the first
    deleted, and is told so, and nothing worse happens, since UIDs name messages (docs/decisions/0026).
    """

    def __init__(self, timer: Timer) -> None:
        self._timer = timer
        self._held: dict[int, Holder] = {}

    async def take(self, account: int, holder: Holder) -> bool:
        """Says whether ``holder`` has the maildrop of ``account`` from now on, until it releases it.

        It waits up to `PATIENCE` for one who is at work, and ends the session of one who is `SILENT`.
        """
        until = self._timer.seconds() + PATIENCE
        while (other := self._held.get(account)) is not None:
            if other.silent() >= SILENT:
                other.evict()
                self.release(account, other)
                break
            if self._timer.seconds() >= until:
                return False
            later: Deferred[None] = Deferred()
            self._timer.callLater(_LOOK, later.callback, None)
            await later
        self._held[account] = holder
        return True

    def release(self, account: int, holder: Holder) -> None:
        """Gives the maildrop back, if ``holder`` has it."""
        if self._held.get(account) is holder:
            del self._held[account]
