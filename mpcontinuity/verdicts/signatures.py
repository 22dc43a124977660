"""Finds out who a message says it is from, and checks its signatures (RFC 6376 §6).

A child process reads the message; the keys come from DNS.
"""

from __future__ import annotations

import msgspec

from mpcontinuity.children.pool import PIECE, Died, Jobs
from mpcontinuity.model.body import Content
from mpcontinuity.outbound.lookup import NoAnswer
from mpcontinuity.verdicts import examination
from mpcontinuity.verdicts.dns import Dns
from mpcontinuity.verdicts.examination import PERMERROR, TEMPERROR, Examined, Question, SignatureResult


async def check(dns: Dns, jobs: Jobs, content: Content, now: int) -> Examined:
    """Returns who is in From, and the signatures in the order of the message, checked.

    ``now`` is in seconds since 1970. A child that died is replaced once, because the cause may have been another
    process. Raises Died and Corrupt.
    """
    try:
        return await _check(dns, jobs, content, now)
    except Died:
        return await _check(dns, jobs, content, now)


async def _check(dns: Dns, jobs: Jobs, content: Content, now: int) -> Examined:
    job = await jobs.begin(examination.KIND, str(now).encode())
    try:
        for at in range(0, content.length, PIECE):
            if not await job.feed(await content.read(at, min(PIECE, content.length - at))):
                break
        examined = examination.decode_examined(await job.ask(examination.encode(Question())))
        found = list(examined.signatures)
        keys = [await _key(dns, one) if not one.result else None for one in found]
        found = [key if isinstance(key, SignatureResult) else one for one, key in zip(found, keys, strict=True)]
        if any(isinstance(key, str) for key in keys):
            known = tuple(key if isinstance(key, str) else None for key in keys)
            verified = examination.decode_found(await job.ask(examination.encode(Question(known))))
            found = [
                after if isinstance(key, str) else before
                for before, after, key in zip(found, verified, keys, strict=True)
            ]
        return msgspec.structs.replace(examined, signatures=tuple(found))
    finally:
        job.close()


async def _key(dns: Dns, signature: SignatureResult) -> str | SignatureResult:
    """What DNS has for it, or what becomes of it without."""
    domain, selector = signature.domain, signature.selector
    try:
        published = await dns.texts(f"{selector}._domainkey.{domain}")
    except NoAnswer:
        return SignatureResult(TEMPERROR, domain, selector, "DNS does not tell its key")
    return published[0] if published else SignatureResult(PERMERROR, domain, selector, "DNS has no key for it")
