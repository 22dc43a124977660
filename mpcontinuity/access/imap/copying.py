"""COPY and MOVE (RFC 3501 §6.4.7, RFC 6851), with COPYUID (RFC 4315)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from twisted.logger import Logger

from mpcontinuity.access.imap.selecting import read_only
from mpcontinuity.access.imap.services import PER_PORTION
from mpcontinuity.access.imap.session import ImapSession, Status, ok
from mpcontinuity.mailbox import change, mailboxes
from mpcontinuity.mailbox.archived import refuse_change
from mpcontinuity.mailbox.change import Copied
from mpcontinuity.mailbox.mailboxes import MailboxInfo
from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.mailbox.portions import portions
from mpcontinuity.mailbox.quota import Quota, check
from mpcontinuity.model import uidset
from mpcontinuity.model.errors import Stopping, Temporary
from mpcontinuity.model.uidset import Range
from mpcontinuity.protocols.imap import command, response
from mpcontinuity.store.transaction import Transaction

_log = Logger()


async def copy(session: ImapSession, asked: command.Copy) -> Status:
    """Does COPY, or MOVE where the command asks for it."""
    selection = session.selected
    if asked.move and selection.read_only:
        return read_only()
    uids = selection.uids(asked.numbers, uid=asked.uid)
    target = await session.services.store.read(partial(mailboxes.find, account=session.account, name=asked.mailbox))
    if target is None:
        raise MailboxRefused("TRYCREATE", "no mailbox of that name")
    refuse_change(target)
    if asked.move:
        return await _move(session, uids, target.id)
    return ok("copied", _copyuid(await _copy(session, uids, target)))


async def _copy(session: ImapSession, uids: Sequence[int], target: MailboxInfo) -> list[Copied]:
    """In steps, each a short transaction, and yet all or nothing (RFC 3501 §6.4.7): what was copied before a failure,
    or before its client went, is removed again. Who has the target open sees it come and go."""
    store, quotas, source = session.services.store, session.services.quotas, session.selected.mailbox
    store.bodies.check_room()
    allowed = await session.quota()
    steps = []
    async for portion in portions(store, source, uids, few=0):  # their octets are needed: they must have room
        steps.append(portion)
        await session.spend(PER_PORTION)
    octets = sum(step.octets for step in steps)
    await store.read(partial(check, account=session.account, quota=allowed, octets=octets))
    await quotas.check_domain(session.user, octets=octets)
    copied: list[Copied] = []
    try:
        for step in steps:
            await quotas.count_for_domain(session.user, step.octets)
            work = partial(_copy_step, source=source, uids=step.uids, target=target, quota=allowed)
            copied.append(await store.run(work, bulk=len(steps) > 1))
            await session.spend(PER_PORTION)
    except BaseException:
        await _undo(session, target.id, [pair for step in copied for pair in step.targets])
        raise
    return copied


def _copy_step(tx: Transaction, source: int, uids: Sequence[Range], target: MailboxInfo, quota: Quota) -> Copied:
    copied = change.copy(tx, source, uids, target.id)
    check(tx, target.account, quota)
    return copied


async def _undo(session: ImapSession, target: int, uids: Sequence[Range]) -> None:
    store = session.services.store
    try:
        async for portion in portions(store, target, list(uidset.numbers(uids))):
            await store.run(partial(change.remove, mailbox=target, uids=portion.uids), bulk=True)
    except (MailboxRefused, Temporary, Stopping) as error:
        _log.warn(
            "a COPY that failed could not be undone: {error}; UIDs {uids}",
            session=session.name,
            error=error,
            uids=uidset.show(uids)[:200].decode("ascii"),
        )


async def _move(session: ImapSession, uids: Sequence[int], target: int) -> Status:
    """In steps: each message moves whole, and what had moved before a failure is told (RFC 6851 §3.3)."""
    store, source = session.services.store, session.selected.mailbox
    moved = []
    try:
        async for portion in portions(store, source, uids):
            moved.append(await store.run(partial(change.move, source=source, uids=portion.uids, target=target)))
            await session.spend(PER_PORTION)
    finally:
        if code := _copyuid(moved):
            session.send(response.status(b"*", b"OK", "moved", code))
    return ok("moved")


def _copyuid(steps: list[Copied]) -> bytes:
    """Empty where nothing was copied. UIDs of both mailboxes rise from step to step."""
    sources = uidset.resolve((pair for copied in steps for pair in copied.sources), 0)
    targets = uidset.resolve((pair for copied in steps for pair in copied.targets), 0)
    if not sources:
        return b""
    uidvalidity = next(copied.uidvalidity for copied in steps if copied.sources)
    return b"COPYUID %d %s %s" % (uidvalidity, uidset.show(sources), uidset.show(targets))
