"""EXPUNGE and UID EXPUNGE (RFC 3501 §6.4.3, RFC 4315 §2.1)."""

from __future__ import annotations

from functools import partial

from mpcontinuity.access.imap.selection import read_only
from mpcontinuity.access.imap.session import Session, Status, ok
from mpcontinuity.mailbox import change
from mpcontinuity.model import uidset
from mpcontinuity.model.flags import DELETED
from mpcontinuity.protocols.imap import command


async def expunge(session: Session, asked: command.Expunge) -> Status:
    """The EXPUNGE responses are the news that every session of the mailbox gets at the end of its command."""
    selection = session.selected
    if selection.read_only:
        return read_only()
    await selection.view.refresh()  # raises where the news of the last command could not be read: NO, not a silent OK
    uids = selection.view.flagged(DELETED)
    if asked.uids is not None:
        wanted = set(selection.uids(asked.uids, uid=True))
        uids = [uid for uid in uids if uid in wanted]
    for begin in range(0, len(uids), change.STEP):
        step = uidset.of(uids[begin : begin + change.STEP])
        await session.services.store.run(partial(change.expunge, mailbox=selection.mailbox, uids=step))
    return ok("expunged")
