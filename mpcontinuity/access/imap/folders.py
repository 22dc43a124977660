"""CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, STATUS."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from mpcontinuity.access.imap.session import Session, Status, ok
from mpcontinuity.mailbox import mailboxes, recent
from mpcontinuity.mailbox.mailboxes import MailboxInfo
from mpcontinuity.protocols.imap import command, response

_STATUS: dict[bytes, Callable[[MailboxInfo], int]] = {
    b"MESSAGES": lambda info: info.messages,
    b"UIDNEXT": lambda info: info.uidnext,
    b"UIDVALIDITY": lambda info: info.uidvalidity,
    b"UNSEEN": lambda info: info.unseen,
    b"SIZE": lambda info: info.octets,
    b"DELETED": lambda info: info.deleted,
    b"HIGHESTMODSEQ": lambda info: info.modseq,
}


async def create(session: Session, asked: command.Create) -> Status:
    await session.services.store.run(partial(mailboxes.create, account=session.account, name=asked.mailbox))
    return ok("created")


async def delete(session: Session, asked: command.Delete) -> Status:
    store = session.services.store
    info = await store.read(partial(mailboxes.find, account=session.account, name=asked.mailbox))
    await mailboxes.delete_in_steps(store, session.account, asked.mailbox)
    if info is not None and session.selection is not None and session.selection.mailbox == info.id:
        session.select(None)
    return ok("deleted")


async def rename(session: Session, asked: command.Rename) -> Status:
    work = partial(mailboxes.rename, account=session.account, old=asked.old, new=asked.new)
    await session.services.store.run(work)
    return ok("renamed")


async def subscribe(session: Session, asked: command.Subscribe) -> Status:
    await session.services.store.run(partial(mailboxes.subscribe, account=session.account, name=asked.mailbox))
    return ok("subscribed")


async def unsubscribe(session: Session, asked: command.Unsubscribe) -> Status:
    await session.services.store.run(partial(mailboxes.unsubscribe, account=session.account, name=asked.mailbox))
    return ok("unsubscribed")


async def status(session: Session, asked: command.Status) -> Status:
    work = partial(mailboxes.get, account=session.account, name=asked.mailbox)
    info = await session.services.store.read(work)
    session.send(await status_of(session, info, asked.items))
    return ok("counted")


async def status_of(session: Session, info: MailboxInfo, items: Iterable[bytes]) -> bytes:
    return response.status_items(info.name, [(item, await _value(session, info, item)) for item in items])


async def _value(session: Session, info: MailboxInfo, item: bytes) -> int:
    match item:
        case b"APPENDLIMIT":  # RFC 7889 §3.1: the same everywhere
            return session.services.message_size
        case b"RECENT":
            return await _recent(session, info)
        case _:
            return _STATUS[item](info)


async def _recent(session: Session, info: MailboxInfo) -> int:
    told = session.services.views.told(info)
    most = min(info.uidnext - 1 - told, info.messages)
    if most <= 0:
        return 0
    return await session.services.store.read(partial(recent.count, mailbox=info.id, above=told, most=most))
