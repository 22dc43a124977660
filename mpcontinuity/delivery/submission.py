"""A message that a user of ours sends, after AUTH: in their own name, and kept in their Sent folder."""

from __future__ import annotations

from functools import partial

from mpcontinuity.accounts.directory import User
from mpcontinuity.delivery import replies
from mpcontinuity.delivery.departure import Copy
from mpcontinuity.delivery.envelope import Client
from mpcontinuity.delivery.from_home import ByLogin
from mpcontinuity.delivery.outward import Outward, Submissions
from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.mailbox.quota import check
from mpcontinuity.mailbox.rendering import rendered
from mpcontinuity.message import submitted
from mpcontinuity.message.fields import Content
from mpcontinuity.message.submitted import Submitted
from mpcontinuity.model.address import Address, BadAddress, parse
from mpcontinuity.model.parameters import MailParameters
from mpcontinuity.model.reply import Reply


class Submission(Outward):
    """Of a user who has logged in. The null sender is for receipts (RFC 8098 §3).

    The world is told neither where the user was nor what their machine is called; the log knows.
    """

    traced = False

    def __init__(
        self,
        submissions: Submissions,
        client: Client,
        user: User,
        reverse_path: Address | None,
        parameters: MailParameters,
    ) -> None:
        super().__init__(submissions, client, user.address, reverse_path, parameters)
        self.account = user.id
        self._user = user

    async def sender(self) -> Reply:
        directory = self._delivery.directory
        own = parse(self._user.address)
        user = await directory.user(own)
        self._domain = await directory.domain(own.domain)
        if user is None or user.id != self._user.id or user.status != "active" or self._domain is None:
            return replies.NOT_ACTIVE
        if self._reverse_path is not None and not await self._is_own(self._reverse_path):
            return self._refused(None, replies.NOT_YOUR_ADDRESS)
        storage = self._submissions.storage
        most = (await storage.of(user)).stretched()
        try:
            await self._store.read(partial(check, account=user.id, quota=most))
        except MailboxRefused:
            return self._refused(None, replies.MAILBOX_FULL)
        try:
            await storage.check_together(user, stretched=True)
        except MailboxRefused:
            return self._refused(None, replies.DOMAIN_FULL)
        return replies.SENDER_OK

    async def _is_own(self, address: Address) -> bool:
        """Their own address or an alias, with a tag or without."""
        user = await self._delivery.directory.user(address)
        return user is not None and user.id == self._user.id

    def _allowed(self) -> Reply | None:
        return None if self._submissions.quota.take(self._user.id) else replies.TOO_MANY_THIS_HOUR

    def _not_used(self, recipients: int) -> None:
        self._submissions.quota.give_back(self._user.id, recipients)

    def _completed(self, given: Submitted, message_id: str) -> bytes:
        author = self._sender or self._user.address
        return submitted.missing(given, author=author, message_id=message_id, time=self._received) + given.open

    async def _foreign(self, given: Submitted) -> Reply | None:
        for author in given.authors:
            try:
                own = await self._is_own(parse(author))
            except BadAddress:
                own = False
            if not own:
                return replies.NOT_YOUR_FROM
        return None

    async def _copy(self, content: Content) -> Copy | None:
        assert self._domain is not None
        wanted = self._domain.settings.sent_to_home and not await self._to_self(self._domain.name)
        return Copy(
            await rendered(self._store, content), self._store.identifiers.next() if wanted else 0, self._user.address
        )

    async def _to_self(self, domain: str) -> bool:
        """Whether the user is a recipient, and gets the message in any case."""
        for one in self._recipients.values():
            if one.address.domain == domain and await self._is_own(one.address):
                return True
        return False


def submission_of(
    submissions: Submissions, client: Client, user: User, reverse_path: Address | None, parameters: MailParameters
) -> Outward:
    """Of who has logged in. Raises Full where no message can be taken."""
    kind = ByLogin if user.relay else Submission
    return kind(submissions, client, user, reverse_path, parameters)
