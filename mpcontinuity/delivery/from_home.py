"""What a home server sends to the world through us, so that the archive holds it: as it is, and without a copy in
Sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.accounts.origins import Origins
from mpcontinuity.accounts.users import User
from mpcontinuity.delivery import replies
from mpcontinuity.delivery.departure import Copy
from mpcontinuity.delivery.envelope import Client
from mpcontinuity.delivery.incoming import Incoming
from mpcontinuity.delivery.outward import Outward, Submissions
from mpcontinuity.delivery.transaction import MailTransaction, UserTransaction
from mpcontinuity.mailbox.drafts import DraftVersion
from mpcontinuity.message import submitted
from mpcontinuity.message.fields import Content
from mpcontinuity.message.submitted import Submitted
from mpcontinuity.model.address import Address, parse
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.reply import Reply

# Who signs for a home server that many tenants share: the names in its certificate, or what they end with.
_SHARED = ".protection.outlook.com"


def of_home(*domains: str) -> str:
    """Returns the words for the home server of these domains, as replies and the log have them."""
    return f"The home server of {', '.join(domains)}"


@dataclass(frozen=True, slots=True)
class HomeSubmitter:
    """A home server that sends a message to the world.

    ``domains`` is called at MAIL and returns those that it may write for; none: it may not send any more.
    ``has_tenants``: others send from the same hosts, so that each message has to name the tenant that the domain is of.
    """

    name: str
    domains: Callable[[], Awaitable[Sequence[Domain]]]
    has_tenants: bool
    account: int | None = None
    traced: bool = True
    draft: DraftVersion | None = None

    async def admit(self, reverse_path: Address | None) -> tuple[Domain | None, Reply]:
        """Returns the domain whose mail it is, and the reply to MAIL."""
        domains = await self.domains()
        if not domains:
            return None, replies.NOT_ACTIVE
        for domain in domains:
            if reverse_path is None or reverse_path.domain == domain.name:
                return domain, replies.SENDER_OK
        return domains[0], replies.foreign_domain(of_home(domains[0].name))

    def count_recipient(self) -> Reply | None:
        """Returns None: a home server may write to any number."""
        return None

    def forget_recipients(self, count: int) -> None:
        """Nothing was counted."""

    def complete(self, given: Submitted, *, sender: str, message_id: str, received: int) -> bytes:
        """Returns the header as it was given."""
        return given.open

    async def foreign(self, given: Submitted, domain: Domain) -> Reply | None:
        """Returns a refusal, if the message is not of the domain's tenant.

        RFC 5321 has no place for a tenant; Exchange Online writes it into each message that it sends.
        """
        tenant = domain.settings.home_tenant
        if not tenant or not self.has_tenants:
            return None
        said = submitted.values(given.open, b"x-originatororg")
        ours = bool(said) and all(value.lower() == tenant.lower().encode() for value in said)
        return None if ours else replies.OTHER_TENANT

    async def copy(self, content: Content, domain: Domain, recipients: Collection[Address]) -> Copy | None:
        """Returns None: home has a Sent folder of its own."""
        return None


def by_address(domains: Sequence[Domain]) -> HomeSubmitter:
    """Returns the home server of ``domains``, which is known by the address that it sends from."""

    async def known() -> Sequence[Domain]:
        return domains

    return HomeSubmitter(of_home(*(domain.name for domain in domains)), known, has_tenants=True)


def by_login(directory: Directory, user: User) -> HomeSubmitter:
    """Returns a home server that has logged in as a user who stands for it (`user relay`)."""

    async def of_user() -> Sequence[Domain]:
        own = parse(user.address)
        now = await directory.user(own)
        domain = await directory.domain(own.domain)
        active = now is not None and now.id == user.id and now.status == "active"
        return (domain,) if active and domain is not None else ()

    return HomeSubmitter(user.address, of_user, has_tenants=False)  # the password says whose it is


class ByFirstRecipient:
    """A message from addresses at which many tenants send, such as those of Exchange Online.

    Its first recipient decides what it is: mail to one of our domains is ``incoming`` like that of any stranger, and
    mail to the world is ``outward``, which takes it only from the tenant of the domain. All calls go to that one of
    the two; before the first recipient they go to ``outward``.
    """

    def __init__(self, outward: Outward, incoming: Incoming, directory: Directory) -> None:
        self._transaction: MailTransaction = outward
        self._outward = outward
        self._incoming = incoming
        self._directory = directory
        self._decided = False

    async def sender(self) -> Reply:
        return await self._outward.sender()

    async def recipient(self, address: Address, parameters: RcptParameters) -> Reply:
        if not self._decided:
            self._decided = True
            if await self._directory.domain(address.domain) is not None:
                self._transaction = self._incoming
        return await self._transaction.recipient(address, parameters)

    def begin(self) -> Reply:
        return self._transaction.begin()

    def write(self, data: bytes) -> None:
        self._transaction.write(data)

    def bare_line_ends(self) -> Reply | None:
        return self._transaction.bare_line_ends()

    async def end(self, fault: Reply | None) -> Reply:
        return await self._transaction.end(fault)

    def abandon(self) -> None:
        self._outward.abandon()
        self._incoming.abandon()

    def on_its_way(self, look: Callable[[], None]) -> None:
        self._transaction.on_its_way(look)

    def went_on(self) -> None:
        self._transaction.went_on()

    def lost(self) -> None:
        self._transaction.lost()


@dataclass(frozen=True, slots=True)
class HomeMail:
    """Says at MAIL on port 25 whether a client that has not logged in is a home server that sends its own mail."""

    submissions: Submissions
    origins: Origins

    async def begin(
        self,
        client: Client,
        certified: Callable[[], Sequence[str]],
        reverse_path: Address | None,
        parameters: MailParameters,
    ) -> UserTransaction | None:
        """Returns the transaction of a home server; None: it is no home server's own mail.

        ``certified`` returns the names in the client's certificate, if that is good. Raises Temporary where no message
        can be taken now.
        """
        domains = await self.origins.of(client.peer)
        alone = [domain for domain in domains if not domain.settings.home_tenant]
        if alone:
            return Outward(self.submissions, by_address(alone), client, reverse_path, parameters)
        tenants = [domain for domain in domains if reverse_path is None or reverse_path.domain == domain.name]
        if tenants and any(name == _SHARED[1:] or name.endswith(_SHARED) for name in certified()):
            delivery = self.submissions.delivery
            outward = Outward(self.submissions, by_address(tenants), client, reverse_path, parameters)
            incoming = Incoming(delivery, client, reverse_path, parameters)
            return ByFirstRecipient(outward, incoming, delivery.directory)
        return None
