"""GETQUOTA and GETQUOTAROOT (RFC 9208): one root, of all that the user has."""

from __future__ import annotations

from functools import partial

from mpcontinuity.access.imap.session import Session, Status, no, ok
from mpcontinuity.mailbox import mailboxes, quota
from mpcontinuity.protocols.imap import command, response

ROOT = "user"
_KIB = 1024


async def get(session: Session, asked: command.GetQuota) -> Status:
    if asked.root != ROOT:
        return no("no quota root of that name", b"NONEXISTENT")
    session.send(await _quota(session))
    return ok("that is all")


async def root_of(session: Session, asked: command.GetQuotaRoot) -> Status:
    info = await session.services.store.read(partial(mailboxes.get, account=session.account, name=asked.mailbox))
    session.send(response.quota_root(info.name, ROOT))
    session.send(await _quota(session))
    return ok("that is all")


async def put(session: Session, asked: command.SetQuota) -> Status:
    return no("an administrator sets quotas", b"NOPERM")


async def _quota(session: Session) -> bytes:
    allowed = await session.quota()
    held = await session.services.store.read(partial(quota.used_in_all, account=session.account))
    resources = [
        (b"STORAGE", -(-held.octets // _KIB), allowed.octets // _KIB),  # RFC 9208 §5.1: in units of 1024 octets
        (b"MESSAGE", held.messages, allowed.messages),
        (b"MAILBOX", held.mailboxes, allowed.mailboxes),
    ]
    return response.quota(ROOT, [(name, used, most) for name, used, most in resources if most])
