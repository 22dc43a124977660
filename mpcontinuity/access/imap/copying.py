"""COPY and MOVE (RFC 3501 §6.4.7, RFC 6851), with COPYUID (RFC 4315)."""

from __future__ import annotations

from functools import partial

from mpcontinuity.access.imap.selection import read_only
from mpcontinuity.access.imap.session import Session, Status, ok
from mpcontinuity.mailbox import change, mailboxes
from mpcontinuity.mailbox.change import Copied
from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.model import uidset
from mpcontinuity.protocols.imap import command, response


async def copy(session: Session, asked: command.Copy) -> Status:
    selection = session.selected
    if asked.move and selection.read_only:
        return read_only()
    uids = selection.uids(asked.numbers, uid=asked.uid)
    store = session.services.store
    target = await store.read(partial(mailboxes.find, account=session.account, name=asked.mailbox))
    if target is None:
        raise MailboxRefused("TRYCREATE", "no mailbox of that name")
    if asked.move:
        return await _move(session, uids, target.id)
    work = partial(change.copy, source=selection.mailbox, uids=uidset.of(uids), target=target.id)
    copied = await store.run(work)
    return ok("copied", _copyuid([copied]))


async def _move(session: Session, uids: list[int], target: int) -> Status:
    """In steps: each message moves whole, and what had moved before a failure is told (RFC 6851 §3.3)."""
    source = session.selected.mailbox
    moved = []
    try:
        for begin in range(0, len(uids), change.STEP):
            step = uidset.of(uids[begin : begin + change.STEP])
            work = partial(change.move, source=source, uids=step, target=target)
            moved.append(await session.services.store.run(work))
    finally:
        if code := _copyuid(moved):
            session.send(response.status(b"*", b"OK", "moved", code))
    return ok("moved")


def _copyuid(steps: list[Copied]) -> bytes:
    """Empty where nothing was copied. UIDs of both mailboxes rise from step to step."""
    sources = [pair for copied in steps for pair in copied.sources]
    targets = [pair for copied in steps for pair in copied.targets]
    if not sources:
        return b""
    return b"COPYUID %d %s %s" % (steps[0].uidvalidity, uidset.show(sources), uidset.show(targets))
