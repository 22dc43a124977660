"""EXPUNGE, UID EXPUNGE, CLOSE and UNSELECT (RFC 3501 §6.4.2 and §6.4.3, RFC 4315 §2.1, RFC 3691)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from mpcontinuity.access.imap.selecting import read_only
from mpcontinuity.access.imap.services import PER_PORTION
from mpcontinuity.access.imap.session import ImapSession, Status, ok
from mpcontinuity.mailbox import change
from mpcontinuity.mailbox.portions import portions
from mpcontinuity.model.flags import DELETED
from mpcontinuity.protocols.imap import command


async def expunge(session: ImapSession, asked: command.Expunge) -> Status:
    """Removes messages. Its EXPUNGE responses are the news that each session gets at the end of a command."""
    selection = session.selected
    if selection.read_only:
        return read_only()
    await selection.view.refresh()  # raises where the news of the last command could not be read: NO, not a silent OK
    uids = selection.view.flagged(DELETED)
    if asked.uids is not None:
        wanted = set(selection.uids(asked.uids, uid=True))
        uids = [uid for uid in uids if uid in wanted]
    await _remove(session, uids)
    return ok("expunged")


async def close(session: ImapSession, asked: command.Close) -> Status:
    """Does CLOSE, which expunges, or UNSELECT, which does not."""
    selection = session.selected
    if asked.expunge and not selection.read_only:
        await selection.view.refresh()
        await _remove(session, selection.view.flagged(DELETED))
    session.select(None)
    return ok("closed")


async def _remove(session: ImapSession, uids: Sequence[int]) -> None:
    """Those that are marked \\Deleted still, step by step."""
    store, mailbox = session.services.store, session.selected.mailbox
    async for portion in portions(store, mailbox, uids):
        await store.run(partial(change.expunge, mailbox=mailbox, uids=portion.uids))
        await session.spend(PER_PORTION)
