"""Delivers mail of our users to our own domains: out of the queue, and in by the way that all mail comes in.

It is handed to `Incoming` as a client would, so that home is asked first, and in an outage registered users have it in
INBOX at once. Others are owed it without a mailbox: there is no sender's server that would try again.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from mpcontinuity.accounts.domains import Domain
from mpcontinuity.delivery import answered, replies
from mpcontinuity.delivery.envelope import Client, Taken
from mpcontinuity.delivery.incoming import Incoming
from mpcontinuity.delivery.service import Delivery
from mpcontinuity.delivery.source import Source
from mpcontinuity.model import address, events
from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.outgoing import OUTBOUND
from mpcontinuity.model.reply import Outcome, Reply, Stage, Verdict
from mpcontinuity.outbound.world import Attempt
from mpcontinuity.queue.outgoing import Outgoing

_PIECE = 64 * 1024

_ELSEWHERE = "4.5.3"  # of `Incoming`'s answer to a recipient that goes another way than those before


class Internal:
    """Delivers claimed rows of `outgoing` to domains of ours. It lives in the reactor thread, one per process."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._client = Client("127.0.0.1", delivery.hostname, "ESMTP", "")

    async def deliver(self, domain: Domain, rows: Sequence[Outgoing]) -> list[Attempt | None]:
        """Delivers the rows of one message, and returns what became of each. Raises Corrupt.

        A row that is delivered here and claimed again, because its end was not recorded, is not delivered twice: that
        is remembered for a day (answered.py).
        """
        found: dict[int, Attempt] = {}
        left = list(rows)
        while left:
            begun = len(left)
            left = await self._transaction(domain, left, found)
            if len(left) == begun:
                break  # nobody was taken, so nobody stands in another's way
        later = Attempt(Outcome(Verdict.TEMPORARY, Stage.RCPT, None, "waits for others of the message"))
        return [found.get(row.id, later) for row in rows]

    async def _transaction(self, domain: Domain, rows: Sequence[Outgoing], found: dict[int, Attempt]) -> list[Outgoing]:
        """Delivers those that go the way of the first; the others."""
        try:
            handed = self._begin(rows)
            taken, left = [], []
            for row in rows:
                reply = await handed.recipient(address.parse(row.recipient), row.parameters.rcpt)
                if reply.code == 452 and reply.enhanced == _ELSEWHERE:
                    left.append(row)
                elif reply.positive:
                    taken.append(row)
                else:
                    found[row.id] = self._attempt(domain, None, reply, Stage.RCPT)
            if not taken:
                handed.abandon()
                return left
            reply = await self._message(handed, rows[0])
        except Temporary as error:
            for row in rows:
                found.setdefault(row.id, Attempt(Outcome(Verdict.TEMPORARY, Stage.DATA, None, str(error))))
            return []
        handed.lost()  # the row's end is recorded later: until then it is remembered that this was done
        for row in taken:
            taken_as = handed.taken(address.parse(row.recipient))
            found[row.id] = self._attempt(domain, taken_as, reply, Stage.MESSAGE)
        return left

    def _begin(self, rows: Sequence[Outgoing]) -> Incoming:
        """A transaction for one message, whose recipients are rows of the queue: its sender's server is we."""
        first = rows[0]
        reverse_path = address.parse(first.reverse_path) if first.reverse_path else None
        size = first.body.length - first.body.prefix
        parameters = msgspec.structs.replace(first.parameters.mail, size=size, submitted=first.kind == OUTBOUND)
        row_of = {address.parse(row.recipient).key: row.id for row in rows}

        def fingerprint(reverse_path: str, key: str, digest: bytes) -> bytes:
            return answered.fingerprint(f"outgoing {row_of[key]}", key, b"")

        # Its sender has logged in, and the row's own tracking tells of each attempt.
        source = Source(fingerprint, comes_again=False, verified=False, refusals_tracked=False)
        return Incoming(self._delivery, self._client, reverse_path, parameters, source)

    async def _message(self, handed: Incoming, row: Outgoing) -> Reply:
        try:
            reply = handed.begin()
            if reply.code != 354:
                handed.abandon()
                return reply
            content = self._delivery.store.bodies.content(row.body, skip_prefix=True)
            for start in range(0, content.length, _PIECE):
                handed.write(await content.read(start, min(_PIECE, content.length - start)))
        except BaseException:
            handed.abandon()
            raise
        return await handed.end(None)

    def _attempt(self, domain: Domain, taken: Taken | None, reply: Reply, stage: Stage) -> Attempt:
        verdict = Verdict.ACCEPTED
        if not reply.positive:
            verdict = Verdict.REFUSED if reply.permanent else Verdict.TEMPORARY
        home = self._delivery.homes.of(domain)
        if reply is replies.STORED or reply is replies.KNOWN:
            in_mailbox = taken is not None and taken.user is not None
            return Attempt(Outcome(verdict, stage, reply), events.REDIRECTED_HOST, dsn=not in_mailbox, ours=in_mailbox)
        return Attempt(Outcome(verdict, stage, reply), ", ".join(home.hosts), dsn=home.offers.dsn)
