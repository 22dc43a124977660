"""``events``: what happens, as it happens, by server-sent events (https://html.spec.whatwg.org/#server-sent-events)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

import msgspec

from mpcontinuity.admin.api.callers import Bearer, Callers
from mpcontinuity.admin.api.services import ApiServices
from mpcontinuity.control.live import Happening, Listener
from mpcontinuity.web.answers import Stream
from mpcontinuity.web.asked import Asked

EVENT_STREAM: Final = "text/event-stream"
HEARTBEAT: Final = 15.0  # s: proxies close what is silent for a minute, and a token that was removed ends as soon

_BEGIN: Final = b"retry: 5000\n\n"  # ms until a browser comes again
_ALIVE: Final = b":\n\n"


class EventCalls:
    """Tells whoever has a token what they may see."""

    def __init__(self, services: ApiServices, callers: Callers) -> None:
        self._services = services
        self._callers = callers

    async def listen(self, asked: Asked) -> Stream:
        """Answers with a stream that ends with the token. Last-Event-ID is the id of the last that was heard."""
        bearer = await self._callers.bearer(asked)
        listener = await self._services.live.listen(bearer.caller, asked.header("last-event-id").strip())
        return Stream(self._pieces(bearer, listener), EVENT_STREAM, bearer.fields)

    async def _pieces(self, bearer: Bearer, listener: Listener) -> AsyncGenerator[bytes, None]:
        clock = self._services.timer
        try:
            yield _BEGIN
            looked = clock.seconds()
            while True:
                happened = await listener.take(HEARTBEAT)
                if clock.seconds() - looked >= HEARTBEAT:
                    looked = clock.seconds()
                    if await self._services.administrators.still(bearer.administrator) is None:
                        return
                for happening in happened:
                    yield _event(happening)
                if not happened:
                    yield _ALIVE
        finally:
            listener.close()


def _event(happening: Happening) -> bytes:
    named = b"id: %s\n" % happening.id.encode() if happening.id else b""
    event = str(happening.__struct_config__.tag)
    return b"%sevent: %s\ndata: %s\n\n" % (named, event.encode(), msgspec.json.encode(happening))
