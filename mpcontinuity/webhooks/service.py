"""Looks every few seconds for what has changed, and has events sent. One process of all does it at a time."""

from __future__ import annotations

from functools import partial

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mpcontinuity.model.clock import LASTED
from mpcontinuity.model.errors import Stopping, Temporary
from mpcontinuity.store.store import Store
from mpcontinuity.webhooks import changes, hooks, sending
from mpcontinuity.webhooks.hooks import Due

EVERY = 2.0  # seconds
_AT_ONCE = 10  # requests under way: a hook that does not answer holds one for `sending.WITHIN`

_log = Logger()


class Webhooks:
    """Tells webhooks of changes. It lives in the reactor thread; what is not told yet is in the store."""

    def __init__(self, store: Store, client: sending.Client) -> None:
        self._store = store
        self._client = client
        self._under_way = 0

    async def round(self) -> None:
        """Notes what has changed, and begins to send what is due. Raises Temporary and Stopping."""
        hooked = await self._store.read(changes.hooked)
        if not hooked:
            return
        for start in range(0, len(hooked), changes.AT_ONCE):
            some = hooked[start : start + changes.AT_ONCE]
            await self._store.run(partial(changes.look, names=some), bulk=True)
        if self._store.trusts_time(LASTED):  # a clock that is wrong makes nothing old
            await self._store.run(hooks.drop_old, bulk=True)
        room = _AT_ONCE - self._under_way
        for event in (
            await self._store.read(partial(hooks.due, limit=room, longest=sending.LONGEST)) if room > 0 else ()
        ):
            next_attempt = self._store.clock.now() + sending.wait(event.attempts)
            if await self._store.run(partial(hooks.claim, event=event, next_attempt=next_attempt), bulk=True):
                self._under_way += 1
                Deferred.fromCoroutine(self._send(event))

    async def _send(self, event: Due) -> None:
        try:
            taken, said = await sending.send(self._client, event, self._store.clock.now())
            if not taken:
                place = hooks.host(event.url)
                _log.warn("webhook at {place}: {said}", place=place, said=said, often=True)
            await self._store.run(partial(hooks.answered, event=event, said=said, taken=taken), bulk=True)
        except (Temporary, Stopping):  # it is sent again, with the same id
            pass
        except Exception:
            _log.failure("a webhook could not be told")
        finally:
            self._under_way -= 1
