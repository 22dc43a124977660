"""What a home server sends to the world through us, so that the archive holds it: as it is, no copy in Sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mpcontinuity.accounts.directory import Domain, User
from mpcontinuity.accounts.origins import Origins
from mpcontinuity.delivery import replies
from mpcontinuity.delivery.envelope import Client
from mpcontinuity.delivery.incoming import Incoming
from mpcontinuity.delivery.outward import Outward, Submissions
from mpcontinuity.message import submitted
from mpcontinuity.message.submitted import Submitted
from mpcontinuity.model.address import Address, parse
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.reply import Reply

# Who signs for a home server that many tenants share: the names in its certificate, or what they end with.
_SHARED = ".protection.outlook.com"


def of_home(*domains: str) -> str:
    """Who sends, in words."""
    return f"The home server of {', '.join(domains)}"


class FromHome(Outward):
    """Of the home server of one of ``domains``: of that which the sender says."""

    def __init__(
        self,
        submissions: Submissions,
        client: Client,
        domains: Sequence[Domain],
        reverse_path: Address | None,
        parameters: MailParameters,
    ) -> None:
        super().__init__(submissions, client, of_home(*(one.name for one in domains)), reverse_path, parameters)
        self._domains = domains

    async def sender(self) -> Reply:
        for domain in self._domains:
            if self._reverse_path is None or self._reverse_path.domain == domain.name:
                self._domain = domain
                return replies.SENDER_OK
        self._domain = self._domains[0]
        return self._refused(None, replies.foreign_domain(of_home(self._domain.name)))

    async def _foreign(self, given: Submitted) -> Reply | None:
        """RFC 5321 has no place for a tenant; Exchange Online writes it into each message that it sends."""
        assert self._domain is not None
        tenant = self._domain.settings.home_tenant
        if not tenant:
            return None
        said = submitted.values(given.open, b"x-originatororg")
        ours = bool(said) and all(value.lower() == tenant.lower().encode() for value in said)
        return None if ours else replies.OTHER_TENANT


class ByLogin(FromHome):
    """Of a home server that logs in, as a user who stands for it (`user relay`)."""

    def __init__(
        self,
        submissions: Submissions,
        client: Client,
        user: User,
        reverse_path: Address | None,
        parameters: MailParameters,
    ) -> None:
        super().__init__(submissions, client, (), reverse_path, parameters)
        self._who = user.address
        self._user = user

    async def sender(self) -> Reply:
        directory = self._delivery.directory
        own = parse(self._user.address)
        user = await directory.user(own)
        domain = await directory.domain(own.domain)
        if user is None or user.id != self._user.id or user.status != "active" or domain is None:
            return replies.NOT_ACTIVE
        self._domains = (domain,)
        return await super().sender()

    async def _foreign(self, given: Submitted) -> Reply | None:
        """The password says whose it is."""
        return None


class Shared(FromHome):
    """From where many tenants' mail comes: to our domains it is mail as any other, to the world only if it is home's.

    The first recipient decides.
    """

    def __init__(
        self,
        submissions: Submissions,
        client: Client,
        domains: Sequence[Domain],
        reverse_path: Address | None,
        parameters: MailParameters,
    ) -> None:
        super().__init__(submissions, client, domains, reverse_path, parameters)
        self._inbound: Incoming | None = None
        self._decided = False

    async def recipient(self, address: Address, parameters: RcptParameters) -> Reply:
        if not self._decided:
            self._decided = True
            if await self._delivery.directory.domain(address.domain) is not None:
                self._inbound = Incoming(self._delivery, self._client, self._reverse_path, self._parameters)
        if self._inbound is not None:
            return await self._inbound.recipient(address, parameters)
        return await super().recipient(address, parameters)

    def begin(self) -> Reply:
        return self._inbound.begin() if self._inbound is not None else super().begin()

    def write(self, data: bytes) -> None:
        (self._inbound.write if self._inbound is not None else super().write)(data)

    def bare_line_ends(self) -> Reply | None:
        return self._inbound.bare_line_ends() if self._inbound is not None else super().bare_line_ends()

    async def end(self, fault: Reply | None) -> Reply:
        return await (self._inbound.end(fault) if self._inbound is not None else super().end(fault))

    def abandon(self) -> None:
        (self._inbound.abandon if self._inbound is not None else super().abandon)()

    def on_its_way(self, look: Callable[[], None]) -> None:
        (self._inbound.on_its_way if self._inbound is not None else super().on_its_way)(look)

    def went_on(self) -> None:
        (self._inbound.went_on if self._inbound is not None else super().went_on)()

    def lost(self) -> None:
        (self._inbound.lost if self._inbound is not None else super().lost)()


@dataclass(frozen=True, slots=True)
class HomeMail:
    """What port 25 asks at MAIL, of a client that has not logged in."""

    submissions: Submissions
    origins: Origins

    async def begin(
        self,
        client: Client,
        certified: Callable[[], Sequence[str]],
        reverse_path: Address | None,
        parameters: MailParameters,
    ) -> FromHome | None:
        """None: it is no home server's own mail. ``certified``: names in the client's certificate, if that is good.

        Raises Temporary where no message can be taken now.
        """
        domains = await self.origins.of(client.peer)
        alone = [domain for domain in domains if not domain.settings.home_tenant]
        if alone:
            return FromHome(self.submissions, client, alone, reverse_path, parameters)
        tenants = [domain for domain in domains if reverse_path is None or reverse_path.domain == domain.name]
        if tenants and any(name == _SHARED[1:] or name.endswith(_SHARED) for name in certified()):
            return Shared(self.submissions, client, tenants, reverse_path, parameters)
        return None
