"""One SMTP transaction with a message to our domains.

Each recipient is decided when it comes, and the message when its final dot has come.
"""

from __future__ import annotations

from functools import partial

import msgspec
from twisted.logger import Logger

from mpcontinuity.accounts.domains import Domain
from mpcontinuity.accounts.taken import was_taken
from mpcontinuity.delivery import replies
from mpcontinuity.delivery.envelope import Client, Message, Taken
from mpcontinuity.delivery.handover import Handover, because
from mpcontinuity.delivery.reception import Reception, looped
from mpcontinuity.delivery.service import REPEATED, Delivery, refused
from mpcontinuity.delivery.source import STRANGER, Source
from mpcontinuity.mailbox.rendering import rendered_and_summary
from mpcontinuity.message import trace
from mpcontinuity.message.summary import summarise
from mpcontinuity.message.trace import Untrusted
from mpcontinuity.model import events, hosts, identifier
from mpcontinuity.model.address import ROLES, Address
from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.events import TrackingEvent
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.reply import Outcome, Reply
from mpcontinuity.outbound.home import HomeServer
from mpcontinuity.outbound.transaction import PeerTransaction
from mpcontinuity.protocols.smtp.data import BARE_LINE_END
from mpcontinuity.queue.owed import encode_parameters, event_of
from mpcontinuity.routing.decision import (
    Decision,
    Policy,
    Recipient,
    at_recipient,
    before_asking,
    policy_of,
)
from mpcontinuity.routing.health import Gate
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.tracking.record import NewRow
from mpcontinuity.verdicts.service import Arrived

# Mail to postmaster and abuse that home refuses is in the archive alone, also of a domain that archives nothing else.
KEPT_DAYS = 90


_NO_POLICY = Policy()

_ROOMLESS = {"often": True}  # on a full disk the log has no room for a line per message either

_log = Logger()


class Incoming(Reception):
    """A message to our domains, from MAIL to the reply to it (see `transaction.MailTransaction`).

    The first domain decides for all that join it. After `abandon` nothing more is called. The constructor raises
    Full where no message can be taken.
    """

    def __init__(
        self,
        delivery: Delivery,
        client: Client,
        reverse_path: Address | None,
        parameters: MailParameters,
        source: Source = STRANGER,
    ) -> None:
        super().__init__(delivery, client, reverse_path, parameters)
        self._source = source
        self._taken: dict[str, Taken] = {}
        self._domains: dict[int, Domain] = {}  # of all recipients
        self._policy = _NO_POLICY
        self._home: HomeServer | None = None
        self._transaction: PeerTransaction | None = None
        self._complete = True  # it has all the recipients that home took
        self._stores: bool | None = None  # the kind of treatment, once the first recipient was taken
        self._untrusted: Untrusted | None = None
        self._host = hosts.host_of(client.peer)
        self._role_of = ""  # the domain whose postmaster or abuse the message is kept for

    # RCPT

    async def recipient(self, address: Address, parameters: RcptParameters) -> Reply:
        """Returns the reply to RCPT. Raises Temporary where the store cannot be asked."""
        if address.key in self._taken:
            return replies.RECIPIENT_OK
        if len(self._taken) >= self._delivery.limits.recipients:
            return replies.TOO_MANY_RECIPIENTS
        self._delivery.reservations.release(self)
        taken = Taken(address, Decision.ASK, parameters)
        reply = await self._decide(taken)
        if self._transaction is not None and self._home is not None:
            self._delivery.reservations.hold(self, self._home, self._host, self._give_up_home)
        if self._abandoned:
            self._give_up_home()
        elif reply.positive:
            taken.owed = self._store.identifiers.next()
            self._taken[address.key] = taken
            self._stores = taken.decision.stores
        elif reply is not replies.SEPARATELY:
            self._refused(taken, reply)
        return reply

    async def _decide(self, taken: Taken) -> Reply:
        """The answer to a recipient; says in ``taken`` what is to be done about it."""
        address = taken.address
        domain = await self._delivery.directory.domain(address.domain)
        taken.domain = domain.id if domain is not None else 0
        if address.relays:
            return replies.SOURCE_ROUTED
        role = address.local.lower() in ROLES
        if domain is None and not (role and address.domain == self._delivery.hostname.lower()):
            return replies.NOT_OURS
        joins = self._joins(domain)
        if self._taken and not joins:
            return replies.SEPARATELY
        if not joins:
            self._begin_domain(domain)
        if domain is not None:
            self._domains[domain.id] = domain
        if self._home is None:  # the server's own postmaster
            taken.decision, taken.known = Decision.KEEP, Recipient(False, False, False, True)
            return self._fitting(taken, None)
        user = await self._delivery.directory.user(address)
        if user is not None and user.registered:
            taken.user = user
            drilled = domain is not None and user.id in domain.drilled(self._store.clock.now())
            taken.known = Recipient(True, user.opt_in, False, role, drilled)
        else:
            held = self._policy.hold and (not self._source.comes_again or await self._was_taken(address))
            taken.known = Recipient(False, False, held, role)
        return await self._ask_or_not(self._home, taken)

    def _joins(self, domain: Domain | None) -> bool:
        """Whether its recipients are treated as those before, by the same home server."""
        first = self._domain
        if domain is None or first is None:
            return domain is first and bool(self._taken)
        return domain.id == first.id or self._treatment(domain) == self._treatment(first)

    def _treatment(self, domain: Domain) -> tuple[object, ...]:
        """What is the same for all recipients of a message."""
        own = domain.settings
        server = (own.home, own.home_tls, own.home_tls_name, own.home_tls_ca, own.home_tls_certificate)
        return *server, self._policy_of(domain), own.retention_days

    def _begin_domain(self, domain: Domain | None) -> None:
        """The first domain decides for all that join it."""
        self._give_up_home()
        self._domains.clear()
        self._domain = domain
        self._home = None
        self._policy = _NO_POLICY
        if domain is not None:
            self._policy = self._policy_of(domain)
            self._home = self._delivery.homes.of(domain)

    def _policy_of(self, domain: Domain) -> Policy:
        mode = domain.mode(self._store.clock.now())
        policy = policy_of(domain.settings, mode, contained=domain.contained > 0)
        if self._source.comes_again and self._source.owes:
            return policy
        return msgspec.structs.replace(policy, hold=self._source.owes)

    async def _was_taken(self, address: Address) -> bool:
        return await self._store.read(partial(was_taken, key=address.key))

    async def _ask_or_not(self, home: HomeServer, taken: Taken) -> Reply:
        away = self._away(home)
        taken.because = away or (events.DRILLED if taken.known.drilled else "")
        taken.decision = before_asking(self._policy, taken.known, bool(away))
        if taken.decision is not Decision.ASK:
            refusal = self._beyond_offers(home, taken.address) if taken.decision.stores else None
            return refusal or self._fitting(taken, None)
        if self._transaction is None:
            self._transaction = self._begin_at_home()
            self._complete = not self._taken
        transaction = self._transaction
        outcome = await transaction.recipient(taken.address, taken.parameters)
        if not self._taken and outcome.reply is not None and outcome.reply.enhanced == "5.6.7":
            self._give_up_home()  # a refusal of this address, before MAIL was said: the next recipient begins anew
        taken.decision = at_recipient(self._policy, taken.known, outcome, others_taken=self._stores is False)
        if taken.decision is not Decision.PASS:
            host = transaction.host or _name(home)
            taken.because = because(host, outcome)
            taken.attempts = (event_of(outcome, host, self._store.clock.now()),)
        refusal = self._beyond_offers(home, taken.address) if taken.decision.stores else None
        return refusal or self._fitting(taken, outcome)

    def _away(self, home: HomeServer) -> str:
        """Why home is not asked; empty where it is."""
        if self._policy.contained:
            return events.CONTAINED
        if self._policy.continuity and self._policy.declared:
            return events.DECLARED
        if self._transaction is not None or home.gate() is not Gate.SHUT:
            return ""
        return f"the home server is away: {home.health.reason or 'it does not answer'}"

    def _begin_at_home(self) -> PeerTransaction:
        assert self._home is not None
        return self._home.transaction(self._reverse_path, self._parameters, client=self._host)

    def _fitting(self, taken: Taken, outcome: Outcome | None) -> Reply:
        """The answer to a recipient that is decided; one that needs another treatment goes separately."""
        if taken.decision.stores and taken.known.role:
            # Everybody knows that the address is there, and no home server takes what comes.
            if not self._delivery.rations.kept(self._client.peer, taken.address.domain, 0):
                return replies.TOO_MUCH_KEPT
            self._role_of = taken.address.domain
        if taken.decision is Decision.PASS or taken.decision.stores:
            other = self._stores is not None and self._stores is not taken.decision.stores
            return replies.SEPARATELY if other else replies.RECIPIENT_OK
        if taken.decision is Decision.SEPARATE:
            return replies.SEPARATELY
        if taken.decision is Decision.REPLY and outcome is not None and outcome.reply is not None:
            return outcome.reply
        return replies.HOME_AWAY

    def _beyond_offers(self, home: HomeServer, address: Address) -> Reply | None:
        """What home would refuse by what its last EHLO offered; it holds while home is away."""
        offers = home.offers
        if not offers.smtputf8 and not (address.ascii and self._sender.isascii()):
            return replies.NO_SMTPUTF8
        if 0 < offers.size < self._parameters.size:
            return replies.TOO_LARGE
        return None

    # DATA

    def begin(self) -> Reply:
        """Returns the reply to DATA: 354, or why no message is taken."""
        if self._stores:
            self._give_up_home()
        taken = list(self._taken.values())
        reply = self._open(self._retention_days())
        if reply.code != 354:
            return reply
        self._untrusted = Untrusted(self._delivery.hostname)
        return_path = trace.return_path(self._sender)
        self._prefix = len(return_path)
        received = trace.received(
            helo=self._client.helo,
            peer=self._client.peer,
            hostname=self._delivery.hostname,
            protocol=self._client.protocol,
            identifier=identifier.show(self._id),
            time=self._received,
            recipient=taken[0].address.text if len(taken) == 1 else None,
        )
        self._keep(return_path + received)
        return reply

    def write(self, data: bytes) -> None:
        """Takes the next octets of the message."""
        assert self._untrusted is not None
        if self._fault is None:
            self._digest.update(data)
            self._keep(self._untrusted.feed(data))
            if self._role_of and not self._delivery.rations.kept(self._client.peer, self._role_of, len(data)):
                assert self._draft is not None
                self._fault = replies.TOO_MUCH_KEPT
                self._draft.discard()

    def bare_line_ends(self) -> Reply | None:
        """Returns a refusal, unless home offers CHUNKING: then a bare CR or LF goes there as it is, by BDAT, now or
        later."""
        if self._home is None or not self._home.offers.chunking:
            return BARE_LINE_END
        self._parameters = msgspec.structs.replace(self._parameters, bare=True)
        if self._transaction is not None:
            self._transaction.bare = True
        return None

    async def end(self, fault: Reply | None) -> Reply:
        """Returns the reply to the complete message. ``fault``: the engine has dropped a part of it, for this reason.

        The outcome stands even if the client has gone meanwhile.
        """
        assert self._untrusted is not None
        self._delivery.reservations.release(self)
        if fault is None:
            self._keep(self._untrusted.finish())
        addresses = [taken.address for taken in self._taken.values()]
        refusal = fault or self._fault or looped(self._untrusted, addresses) or self._too_large()
        if refusal is not None:
            return self._refuse_all(refusal)
        digest = self._digest.value()
        for key, taken in self._taken.items():
            taken.fingerprint = self._source.fingerprint(self._sender, key, digest)
        try:
            reply = await self._answer({taken.fingerprint for taken in self._taken.values()})
        finally:
            self._give_up_home()
        if reply is replies.STORED:
            self._verify()
        return reply

    def _verify(self) -> None:
        """Who sent it, and nobody waits for that: when home gets it, or a report is due, it is too late to ask."""
        if self._delivery.verdicts is not None and self._source.verified:
            arrived = Arrived(self._id, self._client.peer, self._client.helo, self._sender)
            self._delivery.verdicts.arrived(arrived)

    def taken(self, address: Address) -> Taken | None:
        """Returns what is known of a recipient that was answered 250; None: it was not, or not asked for."""
        return self._taken.get(address.key)

    def abandon(self) -> None:
        """Gives the message up before its final dot (RSET, or the client is gone): nothing remains of it."""
        self._abandoned = True
        self._discard()
        self._give_up_home()

    def _too_large(self) -> Reply | None:
        """A message that is kept for a home server which would not take it."""
        assert self._draft is not None
        if not self._stores or self._home is None:
            return None
        return replies.TOO_LARGE if 0 < self._home.offers.size < self._draft.size - self._prefix else None

    async def _settle(self, ours: set[bytes]) -> Reply:
        """Every recipient has a fingerprint; those in ``ours`` are not in another session's hands."""
        taken = [one for one in self._taken.values() if one.fingerprint in ours]
        if not taken:
            self._delivery.outcomes[REPEATED] += len(self._taken)
            return replies.KNOWN
        assert self._draft is not None
        content = self._draft.content()
        if any(one.decision is Decision.REDIRECT for one in taken):
            for_inbox, shown = await rendered_and_summary(self._store, content)
        else:
            for_inbox, shown = b"", summarise(content)
        message = Message(
            id=self._id,
            received=self._received,
            reverse_path=self._sender,
            parameters=self._parameters,
            retention_days=self._retention_days(),
            subject=shown.subject,
            message_id=shown.message_id,
            size=self._draft.size,
            taken=tuple(taken),
            direction=self._source.direction,
            owes=self._source.owes,
        )
        handover = Handover(
            self._delivery,
            message,
            self._draft,
            self._head(message),
            self._policy,
            tuple(domain for domain in self._domains.values() if domain.settings.relay_check),
            _name(self._home) if self._home is not None else "",
            self._client.session,
            look_again=self._look_again,
        )
        if self._stores:
            return await handover.keep(for_inbox)
        if not self._complete:
            self._give_up_home()
        transaction, self._transaction = self._transaction, None  # it is the handover's to end
        reply = await handover.relay(transaction, self._begin_at_home)
        if handover.tells or handover.answers:
            self._verify()
        return reply

    async def _look_again(self) -> tuple[Policy, str]:
        """An outage may have been declared while the message came in, or home cut off: then it does not go there."""
        now = self._store.clock.now()
        for known in self._domains.values():
            try:
                domain = await self._delivery.directory.domain(known.name)
            except Temporary:  # then nothing can be kept here either
                continue
            if domain is not None and (why_not := domain.why_not_home(now)):
                policy = self._policy_of(domain)
                if policy.continuity or policy.contained:
                    return policy, why_not
        return self._policy, ""

    def _head(self, message: Message) -> Head:
        shown = "" if self._stores else identifier.show(message.taken[0].owed)
        return Head(
            id=message.id,
            time=message.received,
            direction=message.direction,
            reverse_path=message.reverse_path,
            recipients=tuple(one.address.text for one in message.taken),
            decisions={one.address.text: one.decision.value for one in message.taken} if self._stores else {},
            prefix=self._prefix,
            fingerprint=self._digest.value(),
            subject=message.subject,
            message_id=message.message_id,
            owed=tuple(one.owed for one in message.taken),
            parameters=encode_parameters(message.parameters, [one.parameters for one in message.taken], shown),
        )

    # Ends

    def _retention_days(self) -> int:
        if not self._source.archived:
            return 0
        days = self._domain.settings.retention_days if self._domain is not None else 0
        return max(days, KEPT_DAYS) if any(one.decision is Decision.KEEP for one in self._taken.values()) else days

    def _give_up_home(self) -> None:
        self._delivery.reservations.release(self)
        if self._transaction is not None:
            self._transaction.abandon()
            self._transaction = None

    def _refuse_all(self, reply: Reply) -> Reply:
        """The whole message is refused by us."""
        for taken in self._taken.values():
            self._refused(taken, reply)
        self._discard()
        self._give_up_home()
        return reply

    def _refused(self, taken: Taken, reply: Reply) -> None:
        if not self._source.refusals_tracked:
            return
        what = refused(reply)
        self._delivery.outcomes[what] += 1
        if not self._delivery.refusals.singly(self._client.peer):
            return
        now = self._store.clock.now()
        by_home = bool(taken.attempts) and taken.attempts[-1].code == reply.code
        ours = () if by_home else (TrackingEvent(now, "", reply.code, reply.line),)
        self._delivery.refusals.add(
            NewRow(
                domain=taken.domain,
                received=self._received or now,
                direction=self._source.direction,
                status=events.REJECTED,
                sender=self._sender,
                recipient=taken.address.text,
                recipient_key=taken.address.key,
                size=self._parameters.size,
                code=reply.code,
                text=reply.line,
                events=(*taken.attempts, *ours),
            )
        )
        _log.info(
            "{what}: <{sender}> to <{recipient}> from {peer}: {reply}",
            session=self._client.session,
            message=identifier.show(self._id) if self._id else "",
            what=what,
            sender=self._sender,
            recipient=taken.address.text,
            peer=self._client.peer,
            reply=str(reply),
            **_ROOMLESS if reply is replies.NO_ROOM else {},
        )


def _name(home: HomeServer) -> str:
    """Where no connection came about: what was tried."""
    return ", ".join(home.hosts)
