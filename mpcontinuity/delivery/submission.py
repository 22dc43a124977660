"""A message that a user of ours sends, after AUTH: in their own name, and kept in their Sent folder."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from mpcontinuity.accounts.domains import Domain
from mpcontinuity.accounts.users import User
from mpcontinuity.delivery import replies
from mpcontinuity.delivery.departure import Copy
from mpcontinuity.delivery.envelope import Client
from mpcontinuity.delivery.from_home import by_login
from mpcontinuity.delivery.outward import Outward, Submissions
from mpcontinuity.mailbox.drafts import DraftVersion
from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.mailbox.quota import check
from mpcontinuity.mailbox.rendering import rendered
from mpcontinuity.message import submitted
from mpcontinuity.message.fields import Content
from mpcontinuity.message.submitted import Submitted
from mpcontinuity.model.address import Address, BadAddress, parse
from mpcontinuity.model.parameters import MailParameters
from mpcontinuity.model.reply import Reply


class UserSubmitter:
    """A user who has logged in, as a `Submitter`. The null sender is for receipts (RFC 8098 §3).

    The world is told neither where the user was nor what their machine is called; the log knows.
    """

    traced = False

    def __init__(self, submissions: Submissions, user: User, draft: DraftVersion | None = None) -> None:
        """``draft`` is the draft that ends with the message; None: none."""
        self.draft = draft
        self.name = user.address
        self.account = user.id
        self._submissions = submissions
        self._store = submissions.delivery.store
        self._directory = submissions.delivery.directory
        self._user = user

    async def admit(self, reverse_path: Address | None) -> tuple[Domain | None, Reply]:
        """Returns the user's domain, and the reply to MAIL: whether they may send by that address, and have room in
        Sent."""
        own = parse(self._user.address)
        user = await self._directory.user(own)
        domain = await self._directory.domain(own.domain)
        if user is None or user.id != self._user.id or user.status != "active" or domain is None:
            return None, replies.NOT_ACTIVE
        if reverse_path is not None and not await self._is_own(reverse_path):
            return domain, replies.NOT_YOUR_ADDRESS
        storage = self._submissions.storage
        most = (await storage.of(user)).stretched()
        try:
            await self._store.read(partial(check, account=user.id, quota=most))
        except MailboxRefused:
            return domain, replies.MAILBOX_FULL
        try:
            await storage.check_domain(user, stretched=True)
        except MailboxRefused:
            return domain, replies.DOMAIN_FULL
        return domain, replies.SENDER_OK

    async def _is_own(self, address: Address) -> bool:
        """Their own address or an alias, with a tag or without."""
        user = await self._directory.user(address)
        return user is not None and user.id == self._user.id

    def count_recipient(self) -> Reply | None:
        """Counts one more recipient of this hour; returns a refusal instead where there are too many."""
        return None if self._submissions.recipients.take(self._user.id) else replies.TOO_MANY_THIS_HOUR

    def forget_recipients(self, count: int) -> None:
        """Takes back so many of those that were counted: they get nothing."""
        self._submissions.recipients.give_back(self._user.id, count)

    def complete(self, given: Submitted, *, sender: str, message_id: str, received: int) -> bytes:
        """Returns the header with Date, Message-ID and From, where they were missing."""
        author = sender or self._user.address
        return submitted.missing(given, author=author, message_id=message_id, time=received) + given.open

    async def foreign(self, given: Submitted, domain: Domain) -> Reply | None:
        """Returns a refusal, if From has an address that is not the user's."""
        for author in given.authors:
            try:
                own = await self._is_own(parse(author))
            except BadAddress:
                own = False
            if not own:
                return replies.NOT_YOUR_FROM
        return None

    async def copy(self, content: Content, domain: Domain, recipients: Collection[Address]) -> Copy | None:
        """Returns the copy for Sent, which home is owed too where the domain wants that and the user is no
        recipient."""
        wanted = domain.settings.sent_to_home and not await self._is_among(recipients, domain.name)
        owed = self._store.identifiers.next() if wanted else 0
        return Copy(await rendered(self._store, content), owed, self._user.address)

    async def _is_among(self, recipients: Collection[Address], domain: str) -> bool:
        """Whether the user is a recipient, and gets the message in any case."""
        for address in recipients:
            if address.domain == domain and await self._is_own(address):
                return True
        return False


def submission_of(
    submissions: Submissions,
    client: Client,
    user: User,
    reverse_path: Address | None,
    parameters: MailParameters,
    *,
    draft: DraftVersion | None = None,
) -> Outward:
    """Returns the transaction of a user who has logged in. Raises Full where no message can be taken.

    ``draft`` is the user's draft that ends with the message, whose `end` raises NotLeaving where it was called back or
    is another version by then.
    """
    relays = user.relay and draft is None  # a home server writes no drafts
    submitter = by_login(submissions.delivery.directory, user) if relays else UserSubmitter(submissions, user, draft)
    return Outward(submissions, submitter, client, reverse_path, parameters)
