"""One attempt to hand one owed message to its home server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec
from twisted.internet.defer import Deferred

from mpcontinuity.model import address
from mpcontinuity.model.identifier import show
from mpcontinuity.model.reply import Outcome, Verdict
from mpcontinuity.outbound.home import HomeServer
from mpcontinuity.queue.owed import SENT, Owed
from mpcontinuity.store.bodies.bodies import Bodies


@dataclass(frozen=True, slots=True)
class Result:
    """What an attempt came to. ``late`` is set where home's reply may still come (verdict DOUBTFUL); ``dsn``: home
    reports."""

    outcome: Outcome
    host: str
    late: Deferred[Outcome] | None
    dsn: bool = False


def head(owed: Owed) -> bytes:
    """Returns the header fields that go before the message, with the same id at every attempt."""
    line = b"X-MPContinuity-Id: %s\r\n" % (owed.parameters.shown or show(owed.id)).encode()
    if owed.kind == SENT:
        # RFC 3834 §2 and MS-OXCMAIL: nobody's vacation notice answers the copy of what the user wrote.
        line += b"X-MPContinuity-Copy: sent\r\nX-Auto-Response-Suppress: All\r\n"
    if owed.verdict:
        # The message comes from our address now, so that home cannot ask SPF itself.
        line += b"Authentication-Results: %s\r\n" % owed.verdict.encode()
    return line


async def attempt(home: HomeServer, bodies: Bodies, owed: Owed, may_finish: Callable[[], Awaitable[bool]]) -> Result:
    """Sends one owed message to home. Raises Corrupt.

    ``may_finish`` is asked before the final dot, which is not sent if it says no.
    """
    content = bodies.content(owed.body, skip_prefix=owed.kind != SENT)  # what users sent begins with their Bcc
    await content.load()
    first = head(owed)
    mail = msgspec.structs.replace(owed.parameters.mail, size=len(first) + content.length)
    reverse_path = address.parse(owed.reverse_path) if owed.reverse_path else None
    transaction = home.transaction(reverse_path, mail)
    transaction.before_final_dot = may_finish
    try:
        outcome = await transaction.recipient(address.parse(owed.recipient), owed.parameters.rcpt)
        if outcome.verdict is Verdict.ACCEPTED:
            outcome = await transaction.message(first, content)
        else:
            transaction.abandon()
    except BaseException:
        transaction.abandon()
        raise
    return Result(outcome, transaction.host, transaction.late, transaction.dsn)
