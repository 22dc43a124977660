"""CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, STATUS."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from mpcontinuity.access.imap.services import PER_PORTION
from mpcontinuity.access.imap.session import ImapSession, Status, ok
from mpcontinuity.mailbox import mailboxes, recent
from mpcontinuity.mailbox.mailboxes import MailboxInfo
from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.mailbox.read import MOST, SIZE, rows
from mpcontinuity.model.flags import DELETED
from mpcontinuity.protocols.imap import command, objectids, response

_STATUS: dict[bytes, Callable[[MailboxInfo], int]] = {
    b"MESSAGES": lambda info: info.messages,
    b"UIDNEXT": lambda info: info.uidnext,
    b"UIDVALIDITY": lambda info: info.uidvalidity,
    b"UNSEEN": lambda info: info.unseen,
    b"SIZE": lambda info: info.octets,
    b"DELETED": lambda info: info.deleted,
    b"HIGHESTMODSEQ": lambda info: info.modseq,
}


async def create(session: ImapSession, asked: command.Create) -> Status:
    """Does CREATE, within the user's quota of mailboxes."""
    store = session.services.store
    store.bodies.check_room()
    most = (await session.quota()).mailboxes
    info = await store.run(partial(mailboxes.create, account=session.account, name=asked.mailbox, most=most))
    return ok("created", b"MAILBOXID (" + objectids.of_mailbox(info.id, info.uidvalidity) + b")")


async def delete(session: ImapSession, asked: command.Delete) -> Status:
    """Does DELETE. A session that has this mailbox open has none open then."""
    store = session.services.store
    info = await store.read(partial(mailboxes.find, account=session.account, name=asked.mailbox))
    await mailboxes.delete_in_steps(store, session.account, asked.mailbox)
    if info is not None and session.selection is not None and session.selection.mailbox == info.id:
        session.select(None)
    return ok("deleted")


async def rename(session: ImapSession, asked: command.Rename) -> Status:
    """Does RENAME, within the user's quota of mailboxes."""
    most = (await session.quota()).mailboxes
    work = partial(mailboxes.rename, account=session.account, old=asked.old, new=asked.new, most=most)
    await session.services.store.run(work)
    return ok("renamed")


async def subscribe(session: ImapSession, asked: command.Subscribe) -> Status:
    """Does SUBSCRIBE."""
    await session.services.store.run(partial(mailboxes.subscribe, account=session.account, name=asked.mailbox))
    return ok("subscribed")


async def unsubscribe(session: ImapSession, asked: command.Unsubscribe) -> Status:
    """Does UNSUBSCRIBE."""
    await session.services.store.run(partial(mailboxes.unsubscribe, account=session.account, name=asked.mailbox))
    return ok("unsubscribed")


async def status(session: ImapSession, asked: command.Status) -> Status:
    """Does STATUS."""
    info = await session.find(asked.mailbox)
    if info is None:
        raise MailboxRefused("NONEXISTENT", "no mailbox of that name")
    session.send(await status_of(session, info, asked.items))
    return ok("counted")


async def status_of(session: ImapSession, info: MailboxInfo, items: Iterable[bytes]) -> bytes:
    """Returns the STATUS response of one mailbox."""
    return response.status_items(info.name, [(item, await _value(session, info, item)) for item in items])


async def _value(session: ImapSession, info: MailboxInfo, item: bytes) -> int | bytes:
    match item:
        case b"MAILBOXID":  # RFC 8474 §4.3
            return b"(" + objectids.of_mailbox(info.id, info.uidvalidity) + b")"
        case b"APPENDLIMIT":  # RFC 7889 §3.1: the same everywhere
            return session.services.limits.message_size
        case b"RECENT":
            return await _recent(session, info)
        case b"DELETED-STORAGE":
            return await _deleted_octets(session, info)
        case _:
            return _STATUS[item](info)


async def _recent(session: ImapSession, info: MailboxInfo) -> int:
    told = session.services.views.told(info)
    most = min(info.uidnext - 1 - told, info.messages)
    if most <= 0:
        return 0
    return await session.services.store.read(partial(recent.count, mailbox=info.id, above=told, most=most))


async def _deleted_octets(session: ImapSession, info: MailboxInfo) -> int:
    """What an EXPUNGE would free (RFC 9208 §4.1.4); their flags are in the picture, their sizes with their rows."""
    if info.deleted in (0, info.messages):
        return info.octets if info.deleted else 0
    services = session.services
    view = await services.views.open(info)
    try:
        octets = 0
        uids = view.flagged(DELETED)
        for begin in range(0, len(uids), MOST):
            work = partial(rows, mailbox=info.id, uids=uids[begin : begin + MOST])
            octets += sum(row[SIZE] for row in await services.store.read(work))
            await session.spend(PER_PORTION)
        return octets
    finally:
        view.close()
