"""SELECT, EXAMINE, CHECK, and the news of a mailbox behind each command (RFC 3501 §6.3.1, §7)."""

from __future__ import annotations

from mpcontinuity.access.imap import keywords
from mpcontinuity.access.imap.selection import Selection, has_every_keyword
from mpcontinuity.access.imap.session import ImapSession, Status, no, ok
from mpcontinuity.mailbox.archived import is_folder
from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.model.errors import Refused, Stopping, Temporary
from mpcontinuity.protocols.imap import command, objectids, response


async def report(session: ImapSession, *, expunges: bool) -> None:
    """Tells the client what is new, at the end of a command: all that was committed before, its own changes too."""
    selection = session.selection
    if selection is None:
        return
    try:
        await selection.view.refresh()
    except (Temporary, Refused, Stopping):
        if not selection.view.untold:
            return  # what is new is told another time
    if not await session.tell(expunges=expunges):
        session.engine.bye("the mailbox was deleted")


async def select(session: ImapSession, asked: command.Select) -> Status:
    """Does SELECT or EXAMINE."""
    session.select(None)  # whatever becomes of it (RFC 3501 §6.3.1)
    services = session.services
    info = await session.find(asked.mailbox)
    if info is None:
        raise MailboxRefused("NONEXISTENT", "no mailbox of that name")
    archived = is_folder(info)
    read_only = asked.read_only or archived
    if archived and services.archives is not None:
        await services.archives.look(session.user)
        info = await session.find(asked.mailbox) or info
    view = await services.views.open(info, takes_recent=not read_only)
    selection = Selection(view, read_only=read_only, archived=archived)
    session.select(selection)
    if has_every_keyword(view) and not read_only and await keywords.make_room(session, view):
        await view.refresh()
        while selection.news(expunges=True) is not None and view.untold:  # it is told below as it is now
            await session.turn()
    lines = [selection.defined_flags(), response.exists(view.exists), selection.recent()]
    if unseen := view.first_unseen():
        lines.append(b"* OK [UNSEEN %d] the first unseen message\r\n" % unseen)
    lines.append(b"* OK [UIDVALIDITY %d] UIDs are valid\r\n" % view.uidvalidity)
    last = view.uid(view.exists) if view.exists else 0
    lines.append(b"* OK [UIDNEXT %d] at the least\r\n" % max(info.uidnext, last + 1))
    lines.append(b"* OK [MAILBOXID (%s)] its id\r\n" % objectids.of_mailbox(info.id, view.uidvalidity))
    session.send(b"".join(lines))
    return ok("selected", b"READ-ONLY" if read_only else b"READ-WRITE")


async def check(session: ImapSession, asked: command.Check) -> Status:
    """Does CHECK. Everything is durable already, so nothing is left to do."""
    return ok("all is stored at any time")


def read_only() -> Status:
    """Returns the refusal of a change in a mailbox that was opened by EXAMINE, or that is read-only always."""
    return no("the mailbox is read-only", b"READ-ONLY")
