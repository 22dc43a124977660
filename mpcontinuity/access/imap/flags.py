"""STORE (RFC 3501 §6.4.6)."""

from __future__ import annotations

from functools import partial

from mpcontinuity.access.imap.selection import read_only
from mpcontinuity.access.imap.session import Session, Status, ok
from mpcontinuity.mailbox import change
from mpcontinuity.model import uidset
from mpcontinuity.protocols.imap import command, response


async def store(session: Session, asked: command.Store) -> Status:
    selection = session.selected
    if selection.read_only:
        return read_only()
    uids = selection.uids(asked.numbers, uid=asked.uid)
    view = selection.view
    missing = len(uids)
    for begin in range(0, len(uids), change.STEP):
        changed = await session.services.store.run(
            partial(
                change.store_flags,
                mailbox=selection.mailbox,
                uids=uidset.of(uids[begin : begin + change.STEP]),
                how=asked.how.value,
                flags=asked.flags,
                keywords=asked.keywords,
            )
        )
        view.own(changed.modseq)
        missing -= len(changed.messages)
        if asked.silent:
            continue
        await view.refresh()  # new keywords are named before flags that use them
        if news := selection.news(expunges=False):
            session.send(news)
        for uid, mask, _ in changed.messages:
            parts = [selection.flags_text(uid, mask)]
            if asked.uid:
                parts.append(b"UID %d" % uid)
            session.send(response.fetched(view.sequence(uid), parts))
        await session.flush()
    if missing and not asked.uid:
        return ok(f"{missing} of the messages are expunged", b"EXPUNGEISSUED")
    return ok("stored")
