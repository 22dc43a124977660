"""GETQUOTA, GETQUOTAROOT and SETQUOTA (RFC 9208), for two quota roots: all that the user has, and all that the domain
has where that is limited (RFC 9208 §3.2: a mailbox may have several)."""

from __future__ import annotations

from functools import partial

from mpcontinuity.access.imap.session import ImapSession, Status, no, ok
from mpcontinuity.mailbox import mailboxes, quota
from mpcontinuity.protocols.imap import command, response

USER, DOMAIN = "user", "domain"
_KIB = 1024


async def get(session: ImapSession, asked: command.GetQuota) -> Status:
    """Does GETQUOTA."""
    told = await _domain(session) if asked.root == DOMAIN else await _user(session) if asked.root == USER else None
    if told is None:
        return no("no quota root of that name", b"NONEXISTENT")
    session.send(told)
    return ok("that is all")


async def root_of(session: ImapSession, asked: command.GetQuotaRoot) -> Status:
    """Does GETQUOTAROOT."""
    info = await session.services.store.read(partial(mailboxes.get, account=session.account, name=asked.mailbox))
    told = {USER: await _user(session)}
    if (of_domain := await _domain(session)) is not None:
        told[DOMAIN] = of_domain
    session.send(response.quota_root(info.name, list(told)))
    for one in told.values():
        session.send(one)
    return ok("that is all")


async def put(session: ImapSession, asked: command.SetQuota) -> Status:
    """Refuses SETQUOTA, because quotas are for administrators to set."""
    return no("an administrator sets quotas", b"NOPERM")


async def _user(session: ImapSession) -> bytes:
    allowed = await session.quota()
    held = await session.services.store.read(partial(quota.used_in_all, account=session.account))
    resources = [
        _storage(held.octets, allowed.octets),
        (b"MESSAGE", held.messages, allowed.messages),
        (b"MAILBOX", held.mailboxes, allowed.mailboxes),
    ]
    return response.quota(USER, [(name, used, most) for name, used, most in resources if most])


async def _domain(session: ImapSession) -> bytes | None:
    """None: its domain has no quota for all its users together."""
    usage = await session.services.quotas.domain_usage(session.user)
    return None if usage is None else response.quota(DOMAIN, [_storage(*usage)])


def _storage(used: int, most: int) -> tuple[bytes, int, int]:
    return b"STORAGE", -(-used // _KIB), most // _KIB  # RFC 9208 §5.1: in units of 1024 octets
