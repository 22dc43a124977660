"""``/events``: what is new, as it happens, by server-sent events (https://html.spec.whatwg.org/#server-sent-events).

The stream ends with the session. The id of an event is that of the state of all folders: a browser that comes back with
it hears at once what it has missed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Final

import msgspec

from mpcontinuity.access.webmail.news import HEARTBEAT, Listener, State, counts
from mpcontinuity.access.webmail.sentence import Piece, sentence
from mpcontinuity.access.webmail.signed_in import Visit, Webmail
from mpcontinuity.model.errors import Temporary
from mpcontinuity.web.answers import PIECE, Answer, Stream
from mpcontinuity.web.headers import DATA
from mpcontinuity.web.routes import Route

EVENT_STREAM: Final = "text/event-stream"

_BEGIN: Final = b"retry: 5000\n\n"  # ms until a browser comes again
_ALIVE: Final = b":\n\n"


class Said(msgspec.Struct, frozen=True):
    """What is to be said of continuity: a sentence, and how it looks; all empty for nothing."""

    first: tuple[Piece, ...] = ()
    rest: tuple[Piece, ...] = ()
    kind: str = ""


def routes(webmail: Webmail) -> list[Route]:
    """Returns the route of the stream."""
    return [webmail.get("/events", listen, DATA), webmail.get("/events/session", still, DATA)]


async def still(visit: Visit) -> Answer:
    """Answers a page whose stream has ended and who asks whether somebody is signed in still: else it is 401."""
    return Answer(b"signed in\n")


async def listen(visit: Visit) -> Stream:
    """Answers with the stream. Raises Temporary where too many listen."""
    listener = visit.services.news.listen(visit.user, visit.asked.peer)
    return Stream(_pieces(visit, listener), EVENT_STREAM)


async def _pieces(visit: Visit, listener: Listener) -> AsyncGenerator[bytes, None]:
    try:
        yield _BEGIN
        last = visit.asked.header("last-event-id").strip()
        before: State | None = None
        while True:
            try:
                state = await listener.look()
            except Temporary:  # the next look tells
                state = None
            if state is not None:
                for piece in _told(visit, before, state, last):
                    yield piece
                before, last = state, ""
            if not await listener.wait(HEARTBEAT):
                yield _ALIVE
            present = await _present(visit)
            if present is None:  # who changes a password wakes its user
                yield _event("ended", {})
                return
            visit = present
    finally:
        listener.close()


async def _present(visit: Visit) -> Visit | None:
    """The visit as it is now, in the language that its user has chosen meanwhile; None once the session has ended.

    While the store is away nobody can tell, and it goes on.
    """
    try:
        found = await visit.services.sessions.find(visit.secret, used=False)
    except Temporary:
        return visit
    if found is None:
        return None
    language = visit.services.languages.find(found.who.language) or visit.asked.language
    return replace(visit, user=found.who, language=language)


def _told(visit: Visit, before: State | None, state: State, last: str) -> list[bytes]:
    """The events that tell how ``state`` differs from what was told before; a browser that comes for the first time is
    told all, one that had the state ``last`` nothing of the folders where they are as they were."""
    found: list[bytes] = []
    known = {each.id: each for each in before.folders} if before is not None else {}
    if before is None and state.id == last:
        known = {each.id: each for each in state.folders}
    named = {id_: each.name for id_, each in known.items()}
    if known and named != {each.id: each.name for each in state.folders}:
        found.append(_event("folders", {}))
    changed = [each for each in state.folders if each.id not in known or known[each.id].modseq != each.modseq]
    found += [_event("mailbox", counts(each)) for each in changed]
    if before is None or before.bulletin != state.bulletin:
        said = sentence(visit.language, state.bulletin)
        found.append(_event("continuity", Said(said.first, said.rest, said.kind) if said is not None else Said()))
    if not found:
        return []
    whole = b"".join(found) + _event("state", {}, state.id)
    return [whole[start : start + PIECE] for start in range(0, len(whole), PIECE)]


def _event(name: str, data: object, id_: str = "") -> bytes:
    named = b"id: %s\n" % id_.encode() if id_ else b""
    return b"%sevent: %s\ndata: %s\n\n" % (named, name.encode(), msgspec.json.encode(data))
