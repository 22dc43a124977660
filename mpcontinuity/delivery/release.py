"""Releases a message from the archive to one recipient, by the way that all mail comes in.

It is handed to `Incoming` as a client would, so that home is asked first, and in an outage it goes into INBOX. Home is
owed it only if it never took it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from mpcontinuity.delivery import answered, replies
from mpcontinuity.delivery.envelope import Client
from mpcontinuity.delivery.incoming import Incoming
from mpcontinuity.delivery.service import Delivery
from mpcontinuity.delivery.source import Source
from mpcontinuity.model.address import Address
from mpcontinuity.model.body import Content
from mpcontinuity.model.errors import Corrupt, Temporary
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.reply import Reply
from mpcontinuity.routing.decision import Decision
from mpcontinuity.tracking.record import RELEASE

_PIECE = 64 * 1024
_NEVER = RcptParameters(notify="NEVER")  # who sent it has nothing to do with its release


class Way(Enum):
    """Where a released message went."""

    HOME = "home"
    INBOX = "inbox"  # of continuity
    OWED = "owed"  # kept for home, without a mailbox
    REFUSED = "refused"
    DEFERRED = "deferred"  # nobody takes it now


@dataclass(frozen=True, slots=True)
class Released:
    """What became of a release, and the reply that says so."""

    way: Way
    reply: Reply

    @property
    def done(self) -> bool:
        """Whether somebody has the message now."""
        return self.way in (Way.HOME, Way.INBOX, Way.OWED)


async def release(
    delivery: Delivery, content: Content, reverse_path: Address | None, to: Address, mark: str, *, owes: bool
) -> Released:
    """Releases a message to one recipient of a domain of ours.

    ``content`` is without Return-Path. ``mark`` names this release: what was done under it is not done again within a
    day. ``owes`` says that home never took the message.
    """

    def fingerprint(reverse_path: str, key: str, digest: bytes) -> bytes:
        return answered.fingerprint(f"release {mark}", key, b"")

    source = Source(fingerprint, comes_again=False, verified=False, direction=RELEASE, archived=False, owes=owes)
    client = Client("127.0.0.1", delivery.hostname, "ESMTP", "")
    try:
        found = await _measured(content)
        utf8 = not to.ascii or (reverse_path is not None and not reverse_path.ascii)
        parameters = MailParameters(content.length, "8BITMIME" if found.eight_bit else "", utf8)
        handed = Incoming(delivery, client, reverse_path, parameters, source)
        reply = await handed.recipient(to, _NEVER)
        taken = handed.taken(to)
        if taken is None or taken.decision is Decision.KEEP:  # for administrators: they have it in the archive
            handed.abandon()
            return _refused(reply if taken is None else replies.HOME_AWAY)
        refusal = handed.bare_line_ends() if found.bare else None
        if refusal is not None:
            handed.abandon()
            return _refused(refusal)
        reply = await _message(handed, content)
        handed.lost()  # whoever releases notes it later: until then it is remembered
    except Corrupt as error:
        return Released(Way.REFUSED, Reply(554, "5.6.0", str(error)))
    except Temporary as error:
        return Released(Way.DEFERRED, Reply(451, "4.3.0", str(error)))
    if not reply.positive:
        return _refused(reply)
    if reply is replies.STORED or reply is replies.KNOWN:
        return Released(Way.INBOX if taken.user is not None else Way.OWED, reply)
    return Released(Way.HOME, reply)


class _Measure(NamedTuple):
    """What a message needs of the server that takes it, which the archive does not note."""

    eight_bit: bool  # BODY=8BITMIME (RFC 6152)
    bare: bool  # it has a bare CR or LF, and goes on by BDAT only (RFC 3030)


async def _measured(content: Content) -> _Measure:
    """Reads the whole message once. Raises Corrupt, before anybody was handed a part of it."""
    eight_bit = False
    lone, last = 0, b""
    for start in range(0, content.length, _PIECE):
        piece = await content.read(start, min(_PIECE, content.length - start))
        eight_bit = eight_bit or not piece.isascii()
        across = last == b"\r" and piece.startswith(b"\n")
        lone += piece.count(b"\r") + piece.count(b"\n") - 2 * (piece.count(b"\r\n") + across)
        last = piece[-1:]
    return _Measure(eight_bit, lone != 0)


def _refused(reply: Reply) -> Released:
    return Released(Way.REFUSED if reply.permanent else Way.DEFERRED, reply)


async def _message(handed: Incoming, content: Content) -> Reply:
    try:
        reply = handed.begin()
        if reply.code != 354:
            handed.abandon()
            return reply
        for start in range(0, content.length, _PIECE):
            handed.write(await content.read(start, min(_PIECE, content.length - start)))
    except BaseException:
        handed.abandon()
        raise
    return await handed.end(None)
