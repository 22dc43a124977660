"""Room for new keywords in a mailbox that has as many as it can have: those go that no message has any more."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from mpcontinuity.access.imap.session import ImapSession
from mpcontinuity.mailbox import keywords
from mpcontinuity.mailbox.mailboxes import MailboxInfo
from mpcontinuity.mailbox.view import View
from mpcontinuity.model.flags import MAX_KEYWORDS
from mpcontinuity.store.transaction import Transaction

_STEP = 50_000  # messages looked at at a stretch: a few ms


async def make_room(session: ImapSession, view: View) -> bool:
    """Removes keywords that no message of a selected mailbox has any more.

    Returns whether there is room now; the view has to be refreshed to know of it.
    """
    await view.refresh()
    modseq, complete = view.modseq, view.complete
    used = 0
    for begin in range(0, view.exists, _STEP):
        for mask in set(view.flags_of_all()[begin : begin + _STEP]):
            used |= mask
        if begin:
            await session.turn()
    unused = [bit for bit in view.keywords if not used >> bit & 1]
    if not unused or not complete:
        return False
    return await session.services.store.run(partial(keywords.free, mailbox=view.mailbox, bits=unused, modseq=modseq))


async def make_room_for(session: ImapSession, info: MailboxInfo, names: Collection[str]) -> None:
    """Makes room in a mailbox that is not selected, if the keywords ``names`` do not fit there."""
    if not names or not await session.services.store.read(partial(_lacking, mailbox=info.id, names=names)):
        return
    view = await session.services.views.open(info)
    try:
        await make_room(session, view)
    finally:
        view.close()


def _lacking(tx: Transaction, mailbox: int, names: Collection[str]) -> bool:
    known = {name.lower() for name in keywords.of(tx, mailbox).values()}
    return len(known) == MAX_KEYWORDS and not known.issuperset(name.lower() for name in names)
