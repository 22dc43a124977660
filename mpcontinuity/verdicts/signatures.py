"""The DKIM signatures of a message that has come (RFC 6376 §6)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from mpcontinuity.message import dkim, fields
from mpcontinuity.message.dkim import BadSignature, BodyHash, Field, Signature
from mpcontinuity.model.body import Content
from mpcontinuity.outbound.lookup import NoAnswer
from mpcontinuity.verdicts.dns import Dns

MOST = 5  # signatures that are looked at; a message with more does not mean well (RFC 6376 §8.4)
_PIECE = 65_536  # octets hashed at a time

PASS, FAIL, NONE = "pass", "fail", "none"
TEMPERROR, PERMERROR = "temperror", "permerror"


class Found(msgspec.Struct, frozen=True):
    """Of one signature. ``why`` for people; ``domain`` and ``selector`` are empty where they could not be read."""

    result: str
    domain: str = ""
    selector: str = ""
    why: str = ""


async def check(dns: Dns, content: Content, now: int) -> list[Found]:
    """In the order of the message; none where it is not signed. ``now`` in seconds. Raises Corrupt."""
    header = fields.block(await content.read(0, min(content.length, fields.MAX_HEADER)))
    present = dkim.fields(header)
    signed = [field for field in present if field.name == b"dkim-signature"][:MOST]
    read: list[Signature | Found] = []
    for field in signed:
        try:
            read.append(dkim.read(field, now))
        except BadSignature as error:
            read.append(Found(PERMERROR, why=str(error)))
    usable = [each for each in read if isinstance(each, Signature)]
    hashes = await _hashes(content, len(header), usable) if usable else {}
    return [each if isinstance(each, Found) else await _check(dns, each, present, hashes) for each in read]


_Way = tuple[str, int | None]


async def _hashes(content: Content, start: int, signatures: Sequence[Signature]) -> dict[_Way, bytes]:
    """Of the body, in every way that is asked for, read once."""
    hashes = {(each.body, each.length): BodyHash(each.body, each.length) for each in signatures}
    for at in range(start, content.length, _PIECE):
        piece = await content.read(at, min(_PIECE, content.length - at))
        for each in hashes.values():
            each.feed(piece)
    return {way: each.digest() for way, each in hashes.items()}


async def _check(dns: Dns, signature: Signature, header: Sequence[Field], hashes: dict[_Way, bytes]) -> Found:
    domain, selector = signature.domain, signature.selector

    def found(result: str, why: str = "") -> Found:
        return Found(result, domain, selector, why)

    if hashes[signature.body, signature.length] != signature.body_hash:
        return found(FAIL, "the body has changed")
    if signature.length is not None and not signature.length:
        return found(FAIL, "it covers nothing of the body")
    try:
        published = await dns.texts(f"{selector}._domainkey.{domain}")
    except NoAnswer:
        return found(TEMPERROR, "DNS does not tell its key")
    if not published:
        return found(PERMERROR, "DNS has no key for it")
    try:
        good = dkim.verify(signature, header, published[0])
    except BadSignature as error:
        return found(PERMERROR, str(error))
    return found(PASS) if good else found(FAIL, "the header has changed")
