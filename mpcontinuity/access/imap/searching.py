"""SEARCH (RFC 3501 §6.4.4), with RETURN (RFC 4731)."""

from __future__ import annotations

from mpcontinuity.access.imap.session import Session, Status, ok
from mpcontinuity.mailbox.search import search as search_mailbox
from mpcontinuity.model import uidset
from mpcontinuity.protocols.imap import command, response


async def search(session: Session, asked: command.Search) -> Status:
    view = session.selected.view
    uids = await search_mailbox(session.services.store, view, asked.key, session.spend)
    numbers = uids if asked.uid else [view.sequence(uid) for uid in uids]
    if asked.returned is None:
        session.send(b"* SEARCH" + b"".join(b" %d" % number for number in numbers) + response.CRLF)
    else:
        session.send(_extended(session.engine.tag, numbers, asked))
    return ok("searched")


def _extended(tag: bytes, numbers: list[int], asked: command.Search) -> bytes:
    returned = asked.returned or frozenset()
    parts = [b"* ESEARCH (TAG " + response.quoted(tag) + b")"]
    if asked.uid:
        parts.append(b"UID")
    if numbers:
        if b"MIN" in returned:
            parts.append(b"MIN %d" % numbers[0])
        if b"MAX" in returned:
            parts.append(b"MAX %d" % numbers[-1])
        if b"ALL" in returned:
            parts.append(b"ALL " + uidset.show(uidset.of(numbers)))
    if b"COUNT" in returned:
        parts.append(b"COUNT %d" % len(numbers))
    return b" ".join(parts) + response.CRLF
