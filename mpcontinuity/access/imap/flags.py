"""STORE (RFC 3501 §6.4.6)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from mpcontinuity.access.imap.keywords import make_room
from mpcontinuity.access.imap.selecting import read_only
from mpcontinuity.access.imap.services import PER_PORTION
from mpcontinuity.access.imap.session import ImapSession, Status, ok
from mpcontinuity.mailbox import change
from mpcontinuity.mailbox.change import Changed
from mpcontinuity.mailbox.keywords import KeywordsFull
from mpcontinuity.mailbox.portions import portions
from mpcontinuity.model import uidset
from mpcontinuity.model.uidset import Range
from mpcontinuity.protocols.imap import command, response


async def store(session: ImapSession, asked: command.Store) -> Status:
    """Does STORE, and tells the new flags unless the command is silent."""
    selection = session.selected
    if selection.read_only:
        return read_only()
    uids = selection.uids(asked.numbers, uid=asked.uid)
    view = selection.view
    missing = len(uids)
    async for portion in portions(session.services.store, selection.mailbox, uids):
        known = view.known(uidset.numbers(portion.uids)) if asked.silent else {}
        changed = await _step(session, asked, portion.uids)
        await session.spend(PER_PORTION)
        view.own(changed.modseq)
        missing -= len(changed.messages)
        shown = [
            (uid, mask, modseq)
            for uid, mask, modseq in changed.messages
            # RFC 3501 §6.4.6: what others have changed is told even so, which the own change would hide
            if not asked.silent or changed.before[uid] > known[uid]
        ]
        if shown:
            await view.refresh()  # new keywords are named before flags that use them
        await session.tell(expunges=False)
        for uid, mask, modseq in shown:
            parts = [selection.flags_text(uid, view.latest(uid, mask, modseq))]
            if asked.uid:
                parts.append(b"UID %d" % uid)
            session.send(response.fetched(view.sequence(uid), parts))
        if shown:
            await session.flush()
    if missing and not asked.uid:
        return ok(f"{missing} of the messages are expunged", b"EXPUNGEISSUED")
    return ok("stored")


async def _step(session: ImapSession, asked: command.Store, uids: Sequence[Range]) -> Changed:
    selection = session.selected
    work = partial(
        change.store_flags,
        mailbox=selection.mailbox,
        uids=uids,
        how=asked.how.value,
        flags=asked.flags,
        keywords=asked.keywords,
    )
    try:
        return await session.services.store.run(work)
    except KeywordsFull:
        if not await make_room(session, selection.view):
            raise
        return await session.services.store.run(work)
