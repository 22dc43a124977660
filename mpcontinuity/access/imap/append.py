"""APPEND (RFC 3501 §6.3.11), with APPENDUID (RFC 4315): the message goes to the body store as it arrives."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from mpcontinuity.access.imap import keywords
from mpcontinuity.access.imap.session import Session, Status, no, ok
from mpcontinuity.mailbox import mailboxes, sent
from mpcontinuity.mailbox.append import Appended, NewEntry, append
from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.mailbox.quota import Quota, check
from mpcontinuity.mailbox.rendering import rendered
from mpcontinuity.message import trace
from mpcontinuity.message.header import LONGEST, Measure
from mpcontinuity.message.summary import summarise
from mpcontinuity.model import identifier
from mpcontinuity.model.body import Body
from mpcontinuity.model.errors import Temporary
from mpcontinuity.protocols.imap import command
from mpcontinuity.protocols.imap.engine import Chunk, EndOfMessage
from mpcontinuity.queue import lineage
from mpcontinuity.store.bodies.draft import Draft
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.transaction import Transaction


@dataclass(slots=True)
class Appending:
    """An APPEND whose message is being received."""

    mailbox: int
    asked: command.Append
    draft: Draft
    sent: bool  # clients put there what they sent
    header: Measure = field(default_factory=Measure)

    def discard(self) -> None:
        self.draft.discard()


async def begin(session: Session, asked: command.Append) -> Status | None:
    """Everything that can be refused is refused before the message is asked for."""
    services = session.services
    info = await services.store.read(partial(mailboxes.find, account=session.account, name=asked.mailbox))
    if info is None:
        raise MailboxRefused("TRYCREATE", "no mailbox of that name")
    allowed = await session.quota()
    await services.store.read(partial(check, account=session.account, quota=allowed, octets=asked.size, messages=1))
    await services.quotas.check_together(session.user, octets=asked.size)
    await keywords.make_room_for(session, info, asked.keywords)
    draft = services.store.bodies.draft("draft", announced=asked.size)
    session.appending = Appending(info.id, asked, draft, sent.takes(info))
    session.engine.take_message()
    return None


async def chunk(session: Session, piece: Chunk) -> Status | None:
    appending = session.appending
    if appending is None:  # its end was told when it was given up; what still comes of it is dropped by the engine
        return None
    if appending.header.feed(piece.data):
        session.appending = None
        appending.discard()
        return no(f"a header has {LONGEST} octets at most", b"TOOBIG")
    try:
        appending.draft.write(piece.data)
    except Temporary as error:
        session.appending = None
        appending.discard()
        return no(str(error), b"UNAVAILABLE")
    return None


async def end(session: Session, event: EndOfMessage) -> Status:
    appending, session.appending = session.appending, None
    assert appending is not None
    draft, asked, store = appending.draft, appending.asked, session.services.store
    try:
        content = draft.content()
        origin = trace.origin(content, session.services.hostname)
        head = Head(
            id=store.identifiers.next(),
            time=store.clock.now(),
            direction="append",
            recipients=(session.user.address,),
            decisions={session.user.address: "append"},
            mailbox=asked.mailbox,
        )
        work = partial(
            _index,
            mailbox=appending.mailbox,
            size=draft.size,
            internaldate=head.time if asked.date is None else asked.date,
            asked=asked,
            quota=await session.quota(),
            rendered=await rendered(store, content),
            account=session.account,
            origin=identifier.parse(origin) if origin is not None else 0,
            message_id=summarise(content).message_id if appending.sent else "",
        )
        await session.services.quotas.take_together(session.user, draft.size)
        appended = await store.keep(draft, head, work)
    except BaseException:
        draft.discard()
        raise
    return ok("appended", b"APPENDUID %d %d" % (appended.uidvalidity, appended.first_uid))


def _index(
    tx: Transaction,
    body: Body,
    *,
    mailbox: int,
    size: int,
    internaldate: int,
    asked: command.Append,
    quota: Quota,
    rendered: bytes,
    account: int,
    origin: int,
    message_id: str,
) -> Appended:
    """``message_id``: of a message that was sent, perhaps by way of us."""
    appended = append(tx, mailbox, [NewEntry(body.id, size, internaldate, asked.flags, asked.keywords, rendered)])
    if message_id:
        origin = sent.appended(tx, account, message_id, body.id) or origin
    if origin:
        lineage.descend(tx, account, body.id, origin)
    check(tx, account, quota)
    return appended
