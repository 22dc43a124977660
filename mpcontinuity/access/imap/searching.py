"""SEARCH (RFC 3501 §6.4.4), with RETURN (RFC 4731): where a client's search begins.

Its keys were read by protocols/imap/searching.py into a tree (model/search.py), and mailbox/search.py finds the
messages.
"""

from __future__ import annotations

from mpcontinuity.access.imap.session import ImapSession, Status, ok
from mpcontinuity.mailbox.search import search as search_mailbox
from mpcontinuity.model import uidset
from mpcontinuity.model.uidset import Range
from mpcontinuity.protocols.imap import command, response

# Numbers that are put together at a stretch, and what that costs in µs.
_AT_A_STRETCH = 10_000
_STRETCH = 3000


async def search(session: ImapSession, asked: command.Search) -> Status:
    """Does SEARCH. The command has the keys as a tree (model/search.py), and mailbox/search.py finds the messages."""
    view = session.selected.view
    uids = await search_mailbox(session.services.store, view, asked.key, session.spend)
    numbers = uids if asked.uid else []
    if not asked.uid:
        for begin in range(0, len(uids), _AT_A_STRETCH):
            numbers.extend(map(view.sequence, uids[begin : begin + _AT_A_STRETCH]))
            await session.spend(_STRETCH)
    if asked.returned is None:
        session.send(b"* SEARCH")
        for begin in range(0, len(numbers), _AT_A_STRETCH):
            session.send(b"".join(b" %d" % number for number in numbers[begin : begin + _AT_A_STRETCH]))
            await session.flush()  # not `spend`, which may say something else within the line
        session.send(response.CRLF)
    else:
        session.send(await _extended(session, numbers, asked))
    return ok("searched")


async def _extended(session: ImapSession, numbers: list[int], asked: command.Search) -> bytes:
    returned = asked.returned or frozenset()
    parts = [b"* ESEARCH (TAG " + response.quoted(session.engine.tag) + b")"]
    if asked.uid:
        parts.append(b"UID")
    if numbers:
        if b"MIN" in returned:
            parts.append(b"MIN %d" % numbers[0])
        if b"MAX" in returned:
            parts.append(b"MAX %d" % numbers[-1])
        if b"ALL" in returned:
            parts.append(b"ALL " + await _set(session, numbers))
    if b"COUNT" in returned:
        parts.append(b"COUNT %d" % len(numbers))
    return b" ".join(parts) + response.CRLF


async def _set(session: ImapSession, numbers: list[int]) -> bytes:
    """Those numbers, which rise, as a sequence set."""
    ranges: list[Range] = []
    for begin in range(0, len(numbers), _AT_A_STRETCH):
        if begin:
            await session.spend(_STRETCH)
        portion = uidset.of(numbers[begin : begin + _AT_A_STRETCH])
        if ranges and ranges[-1][1] + 1 == portion[0][0]:
            ranges[-1] = ranges[-1][0], portion[0][1]
            portion = portion[1:]
        ranges.extend(portion)
    shown = []
    for begin in range(0, len(ranges), _AT_A_STRETCH):
        if begin:
            await session.spend(_STRETCH)
        shown.append(uidset.show(ranges[begin : begin + _AT_A_STRETCH]))
    return b",".join(shown)
