"""APPEND (RFC 3501 §6.3.11), with APPENDUID (RFC 4315)."""

from __future__ import annotations

from functools import partial

from mpcontinuity.access.imap import keywords
from mpcontinuity.access.imap.appending import Appending
from mpcontinuity.access.imap.session import ImapSession, Status, no, ok
from mpcontinuity.delivery import filing
from mpcontinuity.mailbox import mailboxes
from mpcontinuity.mailbox.archived import refuse_change
from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.model.errors import Temporary
from mpcontinuity.protocols.imap import command
from mpcontinuity.protocols.imap.engine import Chunk, EndOfMessage


async def begin(session: ImapSession, asked: command.Append) -> Status | None:
    """Takes the command; everything that can be refused is refused before the message is asked for."""
    services = session.services
    info = await services.store.read(partial(mailboxes.find, account=session.account, name=asked.mailbox))
    if info is None:
        raise MailboxRefused("TRYCREATE", "no mailbox of that name")
    refuse_change(info)
    begun = await filing.begin(services.store, services.quotas, services.hostname, session.user, info, asked.size)
    try:
        await keywords.make_room_for(session, info, asked.keywords)
    except BaseException:
        begun.discard()
        raise
    session.appending = Appending(asked, begun)
    session.engine.take_message()
    return None


async def chunk(session: ImapSession, piece: Chunk) -> Status | None:
    """Takes the next piece of the message of an APPEND. Returns NO where it cannot be stored, else None."""
    appending = session.appending
    if appending is None:  # its end was told when it was given up; what still comes of it is dropped by the engine
        return None
    session.appending = None
    try:
        appending.filing.write(piece.data)
    except Temporary as error:
        return no(str(error), b"UNAVAILABLE")
    session.appending = appending
    return None


async def end(session: ImapSession, event: EndOfMessage) -> Status:
    """Puts the message into the mailbox, and says where it is."""
    appending, session.appending = session.appending, None
    assert appending is not None
    asked = appending.asked
    appended = await appending.filing.end(flags=asked.flags, keywords=asked.keywords, date=asked.date)
    return ok("appended", b"APPENDUID %d %d" % (appended.uidvalidity, appended.first_uid))
