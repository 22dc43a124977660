"""A message that a user puts into a mailbox of theirs: by IMAP's APPEND, or as a draft that webmail saves.

It goes to the body store as it arrives, and into the mailbox in one transaction when it is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import msgspec

from mpcontinuity.accounts.quotas import Quotas
from mpcontinuity.accounts.users import User
from mpcontinuity.mailbox import sent
from mpcontinuity.mailbox.append import Appended, NewEntry, append
from mpcontinuity.mailbox.mailboxes import MailboxInfo
from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.mailbox.quota import Quota, check
from mpcontinuity.mailbox.rendering import rendered
from mpcontinuity.message import trace
from mpcontinuity.message.header_limits import LIMITS, HeaderMeasure
from mpcontinuity.message.summary import summarise
from mpcontinuity.model import identifier
from mpcontinuity.model.body import Body
from mpcontinuity.queue import lineage
from mpcontinuity.store.bodies.draft import Draft
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

# What is done before a message is in its mailbox; it returns what is done once it is there.
Beside = Callable[[Transaction], Callable[[Appended], None]]


async def begin(store: Store, quotas: Quotas, hostname: str, user: User, mailbox: MailboxInfo, size: int) -> Filing:
    """Returns the filing of a message of ``size`` octets into ``mailbox``, which is the user's.

    Raises MailboxRefused where it would exceed a quota, and Full where there is no room for it on the disk, so that
    nobody sends a message in vain. ``hostname`` is ours: a message that says it came by us is another copy of it.
    """
    allowed = await quotas.of(user)
    await store.read(partial(check, account=user.id, quota=allowed, octets=size, messages=1))
    await quotas.check_domain(user, octets=size)
    return Filing(store, quotas, hostname, user, mailbox, store.bodies.draft("draft", announced=size))


@dataclass(slots=True)
class Filing:
    """A message that is being filed. End it by `end` or `discard`."""

    store: Store
    quotas: Quotas
    hostname: str
    user: User
    mailbox: MailboxInfo
    draft: Draft
    header: HeaderMeasure = field(default_factory=HeaderMeasure)

    def write(self, data: bytes) -> None:
        """Takes the next piece of the message. Raises MailboxRefused where its header is too long, and Temporary where
        there is no room; the filing is discarded then."""
        try:
            if self.header.feed(data):
                raise MailboxRefused("TOOBIG", LIMITS)
            self.draft.write(data)
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Gives the message up: nothing of it remains."""
        self.draft.discard()

    async def end(
        self, *, flags: int, keywords: Sequence[str], date: int | None, beside: Beside | None = None
    ) -> Appended:
        """Puts the complete message into the mailbox and returns where it is.

        ``flags`` is the mask of model/flags.py, ``date`` the internal date in µs, None for now. ``beside`` is done in
        the same transaction. Raises MailboxRefused, Temporary, and what ``beside`` raises; nothing is stored then.
        """
        try:
            return await self._put(flags, keywords, date, beside)
        except BaseException:
            self.discard()
            raise

    async def _put(self, flags: int, keywords: Sequence[str], date: int | None, beside: Beside | None) -> Appended:
        store, user = self.store, self.user
        content = self.draft.content()
        origin = trace.origin(content, self.hostname)
        head = Head(
            id=store.identifiers.next(),
            time=store.clock.now(),
            direction="append",
            recipients=(user.address,),
            decisions={user.address: "append"},
            mailbox=self.mailbox.name,
        )
        entry = NewEntry(
            body=0,  # which is known in the transaction
            size=self.draft.size,
            internaldate=head.time if date is None else date,
            flags=flags,
            keywords=tuple(keywords),
            rendered=await rendered(store, content),
        )
        work = partial(
            _index,
            mailbox=self.mailbox.id,
            entry=entry,
            quota=await self.quotas.of(user),
            account=user.id,
            origin=identifier.parse(origin) if origin is not None else 0,
            message_id=summarise(content).message_id if sent.takes(self.mailbox) else "",
            beside=beside,
        )
        await self.quotas.count_for_domain(user, self.draft.size)
        return await store.keep(self.draft, head, work)


def _index(
    tx: Transaction,
    body: Body,
    *,
    mailbox: int,
    entry: NewEntry,
    quota: Quota,
    account: int,
    origin: int,
    message_id: str,
    beside: Beside | None,
) -> Appended:
    """``origin`` is the message that this one is another copy of, 0 for none; ``message_id`` that of a message that was
    sent, perhaps by way of us, else empty."""
    then = beside(tx) if beside is not None else None
    appended = append(tx, mailbox, [msgspec.structs.replace(entry, body=body.id)])
    if then is not None:
        then(appended)
    if message_id:
        origin = sent.appended(tx, account, message_id, body.id) or origin
    if origin:
        lineage.descend(tx, account, body.id, origin)
    check(tx, account, quota)
    return appended
