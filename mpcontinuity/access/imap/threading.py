"""THREAD (RFC 5256): the messages that a search finds, put together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mpcontinuity.access.imap.session import ImapSession, Status, no, ok
from mpcontinuity.mailbox.search import search as search_mailbox
from mpcontinuity.mailbox.threads import MOST, Way, threads
from mpcontinuity.message.threads import by_references, by_subject
from mpcontinuity.protocols.imap import command, response

_WAYS: Final[dict[bytes, Way]] = {b"REFERENCES": by_references, b"ORDEREDSUBJECT": by_subject}
_PIECE: Final = 32 * 1024  # octets that are written at once


async def thread(session: ImapSession, asked: command.Thread) -> Status:
    """Does THREAD. What the search finds is put into threads in steps; the answer goes out a piece at a time.

    What it is made of stays in memory until the client has taken the answer, and is rationed over all sessions.
    """
    view = session.selected.view
    store = session.services.store
    uids = await search_mailbox(store, view, asked.key, session.spend)
    if len(uids) > MOST:
        return no(f"more than {MOST} messages are not put into threads; search for fewer", b"LIMIT")
    in_hand, account = session.services.threads, session.account
    if not in_hand.take(account, len(uids)):
        return no("too many messages are put into threads now; search for fewer, or try again soon", b"LIMIT")
    try:
        await _answer(session, asked, uids)
    finally:
        in_hand.give(account, len(uids))
    return ok("threaded")


async def _answer(session: ImapSession, asked: command.Thread, uids: Sequence[int]) -> None:
    view = session.selected.view
    store = session.services.store
    there, forest = await threads(store, view.mailbox, uids, _WAYS[asked.algorithm], session.spend)
    number = there.__getitem__ if asked.uid else (lambda place: view.sequence(there[place]))
    session.send(b"* THREAD " if forest.roots else b"* THREAD")
    pieces: list[bytes] = []
    size = 0
    for shown in forest.shown(number):
        pieces.append(shown)
        size += len(shown)
        if size >= _PIECE:
            session.send(b"".join(pieces))
            await session.flush()  # not `spend`, which may say something else within the line
            await session.connection.let_others()
            pieces, size = [], 0
    session.send(b"".join([*pieces, response.CRLF]))
