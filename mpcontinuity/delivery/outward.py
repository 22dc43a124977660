"""One message on its way out, of a user (submission.py) or of a home server (from_home.py): RFC 6409. It is 250 once it
is stored, no sooner, and without waiting for a home server or the world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twisted.logger import Logger

from mpcontinuity.accounts.directory import Domain
from mpcontinuity.delivery import answered, departure
from mpcontinuity.delivery.answered import Digest
from mpcontinuity.delivery.departure import Copy, Departure, Leaving
from mpcontinuity.delivery.envelope import Client
from mpcontinuity.delivery.incoming import GO_ON, HOPS_OF_OURS, MAX_HOPS, NO_ROOM, ROLES
from mpcontinuity.delivery.quota import Quota
from mpcontinuity.delivery.service import Delivery, refused
from mpcontinuity.message import submitted, trace
from mpcontinuity.message.structure import Content
from mpcontinuity.message.submitted import Collector, Submitted
from mpcontinuity.message.summary import summarise
from mpcontinuity.message.trace import Untrusted
from mpcontinuity.model import events, identifier
from mpcontinuity.model.address import Address
from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.events import TrackingEvent
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.reply import Reply
from mpcontinuity.protocols.smtp.data import BARE_LINE_END
from mpcontinuity.queue.owed import encode_parameters
from mpcontinuity.store.bodies.draft import Draft
from mpcontinuity.store.bodies.head import OUTGOING, Head
from mpcontinuity.tracking.record import OUTBOUND, NewRow

STORED = Reply(250, "2.0.0", "Message accepted")
KNOWN = Reply(250, "2.0.0", "Message accepted before")
SENDER_OK = Reply(250, "2.1.0", "Sender OK")
_OK = Reply(250, "2.1.5", "Recipient OK")
_TOO_MANY = Reply(452, "4.5.3", "Too many recipients")
_RELAYS = Reply(550, "5.1.3", "Addresses with %, ! or @ in their local part are not taken")
_BAD_DOMAIN = Reply(501, "5.1.3", "Bad address: no such domain can be asked for")
_NO_SUCH_HERE = Reply(550, "5.1.1", "No such mailbox here")
_LONG_HEADER = Reply(554, "5.6.0", f"The header is longer than {submitted.MAX_HEADER} octets")
_LOOP = Reply(554, "5.4.6", "Routing loop detected")
_IN_HAND = Reply(451, "4.3.2", "The same message is being handled in another session, try again later")

_log = Logger()


@dataclass(slots=True)
class Submissions:
    """What all of a process share. ``give_up``: µs until a message to the world expires."""

    delivery: Delivery
    quota: Quota
    give_up: int


class Outward:
    """Like `Incoming` for its door, but that `sender` comes first. ``who`` sends it, for the log and to tell messages
    apart.

    The constructor raises Full where no message can be taken.
    """

    account: int | None = None  # of the user who sends it

    def __init__(
        self,
        submissions: Submissions,
        client: Client,
        who: str,
        reverse_path: Address | None,
        parameters: MailParameters,
    ) -> None:
        submissions.delivery.store.bodies.draft().discard()
        self._submissions = submissions
        self._delivery = submissions.delivery
        self._store = submissions.delivery.store
        self._client = client
        self._who = who
        self._reverse_path = reverse_path
        self._sender = str(reverse_path) if reverse_path is not None else ""
        self._parameters = parameters
        self._domain: Domain | None = None
        self._recipients: dict[str, Leaving] = {}
        self._abandoned = False
        self._id = 0
        self._received = 0
        self._draft: Draft | None = None
        self._prefix = 0
        self._given: Submitted | None = None  # the header, once it is complete
        self._message_id = ""
        self._untrusted = Untrusted(self._delivery.hostname)
        self._collector = Collector()
        self._digest = Digest()
        self._fault: Reply | None = None
        self._receipt: set[bytes] = set()

    # What differs

    async def sender(self) -> Reply:
        """What the client is answered to MAIL. Says in ``_domain`` whose mail it is."""
        raise NotImplementedError

    def _allowed(self) -> Reply | None:
        """Why another recipient is not; None: it is, and counted."""
        return None

    def _not_used(self, recipients: int) -> None:
        """So many of those that were allowed get nothing."""

    def _completed(self, given: Submitted, message_id: str) -> bytes:
        """The header as it leaves, of which nothing is missing."""
        return given.open

    async def _foreign(self, given: Submitted) -> Reply | None:
        """A refusal, if the message is written in the name of somebody who has not written it."""
        return None

    async def _copy(self, content: Content) -> Copy | None:
        """For Sent."""
        return None

    # RCPT

    async def recipient(self, address: Address, parameters: RcptParameters) -> Reply:
        """What the client is answered to RCPT. Raises Temporary where the store cannot be asked."""
        if address.key in self._recipients:
            return _OK
        if len(self._recipients) >= self._delivery.limits.recipients:
            return _TOO_MANY
        leaving = Leaving(address, "", parameters)
        reply = await self._decide(leaving)
        if reply.positive and not self._abandoned:
            refusal = self._allowed()
            if refusal is not None:
                return self._refused(address, refusal)
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
            return _OK if address.local.lower() in ROLES else _NO_SUCH_HERE
        if domain is not None and address.relays:
            return _RELAYS
        try:
            leaving.destination = (
                address.domain if address.domain.isascii() else address.domain.encode("idna").decode("ascii")
            )
        except UnicodeError:
            return _BAD_DOMAIN
        return _OK

    # DATA

    def begin(self) -> Reply:
        """The client wants to send the message: 354, or why not."""
        assert self._domain is not None
        try:
            self._draft = self._store.bodies.draft(retention_days=self._domain.settings.retention_days)
        except Temporary as error:
            _log.warn("no room for a message: {error}", session=self._client.session, error=error, often=True)
            return NO_ROOM
        self._id = self._store.identifiers.next()
        self._received = self._store.clock.now()
        return GO_ON

    def write(self, data: bytes) -> None:
        """The next piece of content."""
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
            self._fault = _LONG_HEADER
            return
        given = self._given = submitted.read(header)
        shown = identifier.show(self._id)
        self._message_id = given.message_id or f"<{shown}@{self._delivery.hostname}>"
        recipients = list(self._recipients.values())
        received = trace.received(
            helo=self._client.helo,
            peer=self._client.peer,
            hostname=self._delivery.hostname,
            protocol=self._client.protocol,
            identifier=shown,
            time=self._received,
            recipient=recipients[0].address.text if len(recipients) == 1 else None,
        )
        self._prefix = len(given.blind)
        self._keep(given.blind + received + self._completed(given, self._message_id))

    def _keep(self, data: bytes) -> None:
        if self._fault is not None:
            return
        assert self._draft is not None
        try:
            self._draft.write(data)
        except Temporary as error:
            _log.warn("no room for a message: {error}", session=self._client.session, error=error, often=True)
            self._fault = NO_ROOM
            self._draft.discard()

    def bare_line_ends(self) -> Reply | None:
        """Where the engine does not put them right: the world is sent lines (DATA)."""
        return BARE_LINE_END

    async def end(self, fault: Reply | None) -> Reply:
        """What the client is answered to its message. ``fault``: the engine's, part of the message is missing.

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
            leaving.fingerprint = answered.fingerprint(f"{self._who} {self._sender}", key, digest)
        ours = await self._delivery.answered.claim({one.fingerprint for one in self._recipients.values()})
        if ours is None:
            return self._refuse_all(_IN_HAND)
        try:
            reply = await self._settle(ours)
            if reply is KNOWN and ours and not await self._delivery.answered.told_elsewhere(ours):
                reply = self._refuse_all(_IN_HAND)
        except Temporary as error:
            _log.warn(
                "not stored: {error}",
                session=self._client.session,
                message=identifier.show(self._id),
                error=error,
                often=True,
            )
            reply = self._refuse_all(NO_ROOM)
        except BaseException:
            self._delivery.answered.release(ours)
            self._discard()
            raise
        if reply.positive:
            self._delivery.answered.answered(ours)
            self._receipt = ours
        else:
            self._delivery.answered.release(ours)
        self._discard()
        return reply

    async def _unfit(self) -> Reply | None:
        assert self._given is not None
        hops = max((self._untrusted.ours(one.address.text) for one in self._recipients.values()), default=0)
        if self._untrusted.received > MAX_HOPS or hops >= HOPS_OF_OURS:
            return _LOOP
        return await self._foreign(self._given)

    async def _settle(self, ours: set[bytes]) -> Reply:
        """Every recipient has a fingerprint; those in ``ours`` are not in another session's hands."""
        recipients = tuple(one for one in self._recipients.values() if one.fingerprint in ours)
        if not recipients:
            return KNOWN
        assert self._draft is not None
        assert self._domain is not None
        content = self._draft.content()
        subject = summarise(content).subject
        leaving = Departure(
            id=self._id,
            domain=self._domain.id,
            account=self.account,
            received=self._received,
            expires=self._received + self._submissions.give_up,
            reverse_path=self._sender,
            parameters=self._parameters,
            retention_days=self._domain.settings.retention_days,
            subject=subject,
            message_id=self._message_id,
            recipients=recipients,
            copy=await self._copy(content),
        )
        if not await self._store.keep_together(self._draft, self._head(recipients, subject), departure.commit, leaving):
            return KNOWN
        self._say(recipients)
        return STORED

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
            mailbox=self._who if self.account is not None else "",
        )

    # Ends

    def abandon(self) -> None:
        """RSET, or the client is gone before its final dot: nothing remains."""
        self._abandoned = True
        self._not_used(len(self._recipients))
        self._discard()

    def went_on(self) -> None:
        """The client has sent something since the answer to its message."""
        self._delivery.answered.went_on(self._receipt)

    def lost(self) -> None:
        """The client has vanished since, or before it could have read the answer."""
        self._delivery.answered.lost(self._receipt)

    def _discard(self) -> None:
        if self._draft is not None:
            self._draft.discard()
            self._draft = None

    def _refuse_all(self, reply: Reply) -> Reply:
        """The whole message is refused."""
        for one in self._recipients.values():
            self._refused(one.address, reply)
        self._not_used(len(self._recipients))
        self._discard()
        return reply

    def _refused(self, recipient: Address | None, reply: Reply) -> Reply:
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
            user=self._who,
            sender=self._sender,
            recipient=recipient.text if recipient is not None else "",
            peer=self._client.peer,
            reply=str(reply),
        )
        return reply

    def _say(self, recipients: Sequence[Leaving]) -> None:
        _log.info(
            "taken from {user}: <{sender}> to {recipients}",
            session=self._client.session,
            message=identifier.show(self._id),
            user=self._who,
            sender=self._sender,
            recipients=", ".join([f"<{one.address.text}>" for one in recipients[:100]]),
        )
