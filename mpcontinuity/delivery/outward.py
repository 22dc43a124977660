"""One message on its way out, of a user or of a home server (RFC 6409).

It is answered 250 once it is stored, no sooner, and without waiting for a home server or the world.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from twisted.logger import Logger

from mpcontinuity.accounts.domains import Domain
from mpcontinuity.accounts.quotas import Quotas
from mpcontinuity.delivery import answered, departure, replies
from mpcontinuity.delivery.departure import Copy, Departure, Leaving
from mpcontinuity.delivery.envelope import Client
from mpcontinuity.delivery.reception import Reception, looped
from mpcontinuity.delivery.service import Delivery, refused
from mpcontinuity.mailbox.drafts import DraftVersion
from mpcontinuity.message import submitted, trace
from mpcontinuity.message.fields import Content
from mpcontinuity.message.submitted import Collector, Submitted
from mpcontinuity.message.summary import summarise
from mpcontinuity.message.trace import Untrusted
from mpcontinuity.model import events, identifier
from mpcontinuity.model.address import ROLES, Address
from mpcontinuity.model.events import TrackingEvent
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.recipients import Recipients
from mpcontinuity.model.reply import Reply
from mpcontinuity.protocols.smtp.data import BARE_LINE_END, LONG_HEADER
from mpcontinuity.queue.owed import encode_parameters
from mpcontinuity.store.bodies.head import OUTGOING, Head
from mpcontinuity.tracking.record import OUTBOUND, NewRow

_log = Logger()


@dataclass(slots=True)
class Submissions:
    """What all messages on their way out of a process share. ``give_up`` is in µs, until one to the world expires."""

    delivery: Delivery
    recipients: Recipients
    storage: Quotas  # what users may store: Sent has a copy of each message
    give_up: int


class Submitter(Protocol):
    """Who sends a message to the world through us: a user (submission.py) or a home server (from_home.py)."""

    @property
    def name(self) -> str:
        """What the log calls the submitter, and what tells the same message of two of them apart."""
        ...

    @property
    def account(self) -> int | None:
        """The id of the user who sends; None: it is a home server."""
        ...

    @property
    def traced(self) -> bool:
        """Whether the message says from which address it came (Received)."""
        ...

    @property
    def draft(self) -> DraftVersion | None:
        """The user's draft that ends with the message; None: none."""
        ...

    async def admit(self, reverse_path: Address | None) -> tuple[Domain | None, Reply]:
        """Returns the domain whose mail it is, and the reply to MAIL.

        The domain is None, and the reply refuses, where the submitter may not send any more (removed, or not active).
        """
        ...

    def count_recipient(self) -> Reply | None:
        """Counts one more recipient; returns a refusal instead where there are too many."""
        ...

    def forget_recipients(self, count: int) -> None:
        """Takes back so many of those that were counted: they get nothing."""
        ...

    def complete(self, given: Submitted, *, sender: str, message_id: str, received: int) -> bytes:
        """Returns the header as it leaves, with what was missing in the one that was given."""
        ...

    async def foreign(self, given: Submitted, domain: Domain) -> Reply | None:
        """Returns a refusal, if the message is written in the name of somebody who has not written it."""
        ...

    async def copy(self, content: Content, domain: Domain, recipients: Collection[Address]) -> Copy | None:
        """Returns what the Sent folder gets; None: there is no copy. Raises Temporary."""
        ...


class Outward(Reception):
    """A message to the world, from MAIL to the reply to it (see `transaction.UserTransaction`); `sender` comes first.

    After `abandon` nothing more is called. The constructor raises Full where no message can be taken.
    """

    def __init__(
        self,
        submissions: Submissions,
        submitter: Submitter,
        client: Client,
        reverse_path: Address | None,
        parameters: MailParameters,
    ) -> None:
        super().__init__(submissions.delivery, client, reverse_path, parameters)
        self._submissions = submissions
        self._submitter = submitter
        self._recipients: dict[str, Leaving] = {}
        self._given: Submitted | None = None  # the header, once it is complete
        self._message_id = ""
        self._untrusted = Untrusted(self._delivery.hostname)
        self._collector = Collector()

    # MAIL

    async def sender(self) -> Reply:
        """Returns the reply to MAIL. Raises Temporary where the store cannot be asked."""
        self._domain, reply = await self._submitter.admit(self._reverse_path)
        if not reply.positive and self._domain is not None:
            self._refused(None, reply)
        return reply

    # RCPT

    async def recipient(self, address: Address, parameters: RcptParameters) -> Reply:
        """Returns the reply to RCPT. Raises Temporary where the store cannot be asked."""
        if address.key in self._recipients:
            return replies.RECIPIENT_OK
        if len(self._recipients) >= self._delivery.limits.recipients:
            return replies.TOO_MANY_RECIPIENTS
        leaving = Leaving(address, "", parameters)
        reply = await self._decide(leaving)
        if reply.positive and not self._abandoned:
            refusal = self._submitter.count_recipient()
            if refusal is not None:
                self._refused(address, refusal)
                return refusal
            leaving.id = self._store.identifiers.next()
            self._recipients[address.key] = leaving
        elif not reply.positive:
            self._refused(address, reply)
        return reply

    async def _decide(self, leaving: Leaving) -> Reply:
        """Says in ``leaving`` where it goes."""
        address = leaving.address
        domain = await self._delivery.directory.domain(address.domain)
        if domain is None and address.domain == self._delivery.hostname.lower():
            return replies.RECIPIENT_OK if address.local.lower() in ROLES else replies.NO_SUCH_MAILBOX
        if domain is not None and address.relays:
            return replies.SOURCE_ROUTED
        try:
            leaving.destination = (
                address.domain if address.domain.isascii() else address.domain.encode("idna").decode("ascii")
            )
        except UnicodeError:
            return replies.BAD_DOMAIN
        return replies.RECIPIENT_OK

    # DATA

    def begin(self) -> Reply:
        """Returns the reply to DATA: 354, or why no message is taken."""
        assert self._domain is not None
        return self._open(self._domain.settings.retention_days)

    def write(self, data: bytes) -> None:
        """Takes the next octets of the message."""
        if self._fault is None:
            self._digest.update(data)
            self._take(self._collector.feed(self._untrusted.feed(data)))

    def _take(self, body: bytes) -> None:
        if self._given is None and self._collector.header is not None:
            self._begin_message(self._collector.header)
        if body:
            self._keep(body)

    def _begin_message(self, header: bytes) -> None:
        """The header is complete. What is not for others stands first, so that it is left out by an offset."""
        if self._collector.too_long:
            self._fault = LONG_HEADER
            return
        given = self._given = submitted.read(header)
        shown = identifier.show(self._id)
        self._message_id = given.message_id or f"<{shown}@{self._delivery.hostname}>"
        recipients = list(self._recipients.values())
        received = trace.received(
            helo=self._client.helo,
            peer=self._client.peer if self._submitter.traced else "",
            hostname=self._delivery.hostname,
            protocol=self._client.protocol,
            identifier=shown,
            time=self._received,
            recipient=recipients[0].address.text if len(recipients) == 1 else None,
        )
        self._prefix = len(given.blind)
        completed = self._submitter.complete(
            given, sender=self._sender, message_id=self._message_id, received=self._received
        )
        self._keep(given.blind + received + completed)

    def bare_line_ends(self) -> Reply | None:
        """Returns a refusal, because the world is sent messages by DATA, which knows lines only."""
        return BARE_LINE_END

    async def end(self, fault: Reply | None) -> Reply:
        """Returns the reply to the complete message. ``fault``: the engine has dropped a part of it, for this reason.

        The outcome stands even if the client has gone meanwhile.
        """
        if fault is None and self._fault is None:
            self._take(self._collector.feed(self._untrusted.finish()))
            self._take(self._collector.finish())
        refusal = fault or self._fault or await self._unfit()
        if refusal is not None:
            return self._refuse_all(refusal)
        digest = self._digest.value()
        for key, leaving in self._recipients.items():
            leaving.fingerprint = answered.fingerprint(f"{self._submitter.name} {self._sender}", key, digest)
        return await self._answer({one.fingerprint for one in self._recipients.values()})

    async def _unfit(self) -> Reply | None:
        assert self._given is not None
        assert self._domain is not None
        addresses = [one.address for one in self._recipients.values()]
        return looped(self._untrusted, addresses) or await self._submitter.foreign(self._given, self._domain)

    async def _settle(self, ours: set[bytes]) -> Reply:
        """Every recipient has a fingerprint; those in ``ours`` are not in another session's hands."""
        recipients = tuple(one for one in self._recipients.values() if one.fingerprint in ours)
        if not recipients:
            return replies.KNOWN
        assert self._draft is not None
        assert self._domain is not None
        content = self._draft.content()
        subject = summarise(content).subject
        leaving = Departure(
            id=self._id,
            domain=self._domain.id,
            account=self._submitter.account,
            received=self._received,
            expires=self._received + self._submissions.give_up,
            reverse_path=self._sender,
            parameters=self._parameters,
            retention_days=self._domain.settings.retention_days,
            subject=subject,
            message_id=self._message_id,
            recipients=recipients,
            copy=await self._submitter.copy(content, self._domain, [one.address for one in self._recipients.values()]),
            draft=self._submitter.draft,
        )
        if not await self._store.keep_grouped(self._draft, self._head(recipients, subject), departure.commit, leaving):
            return replies.KNOWN
        self._say(recipients)
        return replies.STORED

    def _head(self, recipients: Sequence[Leaving], subject: str) -> Head:
        return Head(
            id=self._id,
            time=self._received,
            direction=OUTBOUND,
            reverse_path=self._sender,
            recipients=tuple(one.address.text for one in recipients),
            decisions={one.address.text: OUTGOING for one in recipients},
            prefix=self._prefix,
            fingerprint=self._digest.value(),
            subject=subject,
            message_id=self._message_id,
            owed=tuple(one.id for one in recipients),
            parameters=encode_parameters(self._parameters, [one.parameters for one in recipients]),
            mailbox=self._submitter.name if self._submitter.account is not None else "",
        )

    # Ends

    def abandon(self) -> None:
        """Gives the message up before its final dot (RSET, or the client is gone): nothing remains of it."""
        self._abandoned = True
        self._submitter.forget_recipients(len(self._recipients))
        self._discard()

    def _refuse_all(self, reply: Reply) -> Reply:
        """The whole message is refused."""
        for one in self._recipients.values():
            self._refused(one.address, reply)
        self._submitter.forget_recipients(len(self._recipients))
        self._discard()
        return reply

    def _refused(self, recipient: Address | None, reply: Reply) -> None:
        if not self._delivery.refusals.singly(self._client.peer):
            return
        now = self._store.clock.now()
        self._delivery.refusals.add(
            NewRow(
                domain=self._domain.id if self._domain is not None else 0,
                received=self._received or now,
                direction=OUTBOUND,
                status=events.REJECTED,
                sender=self._sender,
                recipient=recipient.text if recipient is not None else "",
                recipient_key=recipient.key if recipient is not None else "",
                size=self._parameters.size,
                code=reply.code,
                text=reply.line,
                events=(TrackingEvent(now, "", reply.code, reply.line),),
            )
        )
        _log.info(
            "{what}: {user} as <{sender}> to <{recipient}> from {peer}: {reply}",
            session=self._client.session,
            message=identifier.show(self._id) if self._id else "",
            what=refused(reply),
            user=self._submitter.name,
            sender=self._sender,
            recipient=recipient.text if recipient is not None else "",
            peer=self._client.peer,
            reply=str(reply),
        )

    def _say(self, recipients: Sequence[Leaving]) -> None:
        _log.info(
            "taken from {user}: <{sender}> to {recipients}",
            session=self._client.session,
            message=identifier.show(self._id),
            user=self._submitter.name,
            sender=self._sender,
            recipients=", ".join([f"<{one.address.text}>" for one in recipients[:100]]),
        )
