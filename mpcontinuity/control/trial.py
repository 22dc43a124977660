"""What a home server does with a stranger's mail that comes from us: tried with a marked message, by both ways.

A home server that checks SPF refuses, or takes for spam, what this server passes on, until it is told to trust it; at
redelivery as much as before. Better seen on a quiet day than in the first outage.
"""

from __future__ import annotations

from functools import partial

import msgspec

from mpcontinuity.accounts import domains
from mpcontinuity.control.arguments import mail_address, own_address
from mpcontinuity.control.operation import Control
from mpcontinuity.message import dates, trace
from mpcontinuity.model import identifier
from mpcontinuity.model.address import Address
from mpcontinuity.model.body import Body, InMemory
from mpcontinuity.model.clock import DAY
from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.reply import Outcome, Verdict
from mpcontinuity.outbound.home import HomeServer, HomeServers
from mpcontinuity.queue.owed import REDELIVERY, Owed, Parameters
from mpcontinuity.redelivery.attempt import attempt, head
from mpcontinuity.routing.health import Gate
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.transaction import Transaction

# Reserved by RFC 2606; its SPF record says that no host at all may send for it, its MX is null, so nobody gets bounces.
SENDER = "mpcontinuity-test@example.com"

PASS_THROUGH, REDELIVERED = "pass-through", "redelivery"

_NEVER = RcptParameters(notify="NEVER")

_TEXT = """\
From: mpcontinuity test <{sender}>\r
To: <{recipient}>\r
Subject: mpcontinuity test, {way}, {mark}\r
Date: {date}\r
Message-ID: {message_id}\r
Auto-Submitted: auto-generated\r
X-Auto-Response-Suppress: All\r
MIME-Version: 1.0\r
Content-Type: text/plain; charset=us-ascii\r
\r
This is a test of {hostname}, which stands in front of your mail server. It was sent with\r
a foreign sender ({sender}), the way mail takes that is {words}.\r
If it lies in the inbox, your mail server trusts {hostname}; if it lies with the spam,\r
tell your mail server to accept mail from there without checking the sender (SPF).\r
"""
_WORDS = {PASS_THROUGH: "passed on at once", REDELIVERED: "delivered after an outage"}


class Tried(msgspec.Struct, frozen=True):
    """What the home server said of the message that came by one way; ``code`` 0 means that there was no reply."""

    way: str
    message_id: str
    accepted: bool
    host: str
    code: int
    text: str


class Trial(msgspec.Struct, frozen=True):
    """Both messages that were tried, with their sender and recipient."""

    domain: str
    sender: str
    recipient: str
    ways: list[Tried]


async def send(control: Control, name: str, recipient: str | None = None, sender: str | None = None) -> Trial:
    """Sends one message each way to a user of the domain, its postmaster if none is given, from a foreign sender.

    Raises Refused for a domain that is not here, for a recipient that is not in it or that home might relay to, and
    where its home is known to be away: then nothing can be learnt.
    """
    wanted = own_address(recipient) if recipient else None
    homes = control.homes()
    if homes is None:
        raise Refused("only a running server can test a home server", "conflict", Hint("serve", "starts it"))
    domain = await control.store.read(partial(domains.known, name=name))
    to = wanted or mail_address(f"postmaster@{domain.name}")
    author = mail_address(sender or SENDER)
    if to.domain != domain.name:
        raise Refused(f"{to}: is not in {domain.name}")
    if domain.contained:
        raise Refused(f"{domain.name}: its home server is cut off, so that nothing may go there", "conflict")
    home = homes.of(domain)
    if home.gate() is Gate.SHUT:
        raise Refused(
            f"{domain.name}: its home server is away ({home.health.reason}); test it when it is back", "conflict"
        )
    tried = [await _pass_on(control, home, author, to), await _redeliver(control, homes, home, author, to)]
    return Trial(domain.name, author.text, to.text, tried)


async def _pass_on(control: Control, home: HomeServer, sender: Address, to: Address) -> Tried:
    number = control.store.identifiers.next()
    message_id, content = _message(control, number, PASS_THROUGH, sender, to)
    transaction = home.transaction(sender, MailParameters(size=len(content)))
    try:
        outcome = await transaction.recipient(to, _NEVER)
        if outcome.verdict is Verdict.ACCEPTED:
            outcome = await transaction.message(
                head(_owed(number, Body(number, 0, 0, 0, 0, 0), sender, to)), InMemory(content)
            )
    finally:
        transaction.abandon()
    return _tried(PASS_THROUGH, message_id, transaction.host, outcome)


async def _redeliver(control: Control, homes: HomeServers, home: HomeServer, sender: Address, to: Address) -> Tried:
    """From the store, as what was owed: only the row is missing, so that the ledger shows mail of people alone."""
    store = control.store
    number, now = store.identifiers.next(), store.clock.now()
    message_id, content = _message(control, number, REDELIVERED, sender, to)
    draft = store.bodies.draft(retention_days=1)
    try:
        draft.write(content)
        made = Head(id=number, time=now, direction="test", reverse_path=sender.text, message_id=message_id)
        body = await store.keep(draft, made, _kept, keep_until=now + DAY)
    finally:
        draft.discard()
    verdict = f"{control.settings.hostname}; none"
    result = await attempt(home, store.bodies, _owed(number, body, sender, to, verdict), _may_finish)
    return _tried(REDELIVERED, message_id, result.host, result.outcome)


def _kept(tx: Transaction, body: Body) -> Body:
    return body


async def _may_finish() -> bool:
    return True


def _owed(number: int, body: Body, sender: Address, to: Address, verdict: str = "") -> Owed:
    return Owed(
        id=number,
        domain=0,
        account=None,
        body=body,
        kind=REDELIVERY,
        recipient=to.text,
        reverse_path=sender.text,
        parameters=Parameters(rcpt=_NEVER),
        attempts=0,
        token=0,
        verdict=verdict,
    )


def _message(control: Control, number: int, way: str, sender: Address, to: Address) -> tuple[str, bytes]:
    hostname, now = control.settings.hostname, control.store.clock.now()
    mark = identifier.show(number)
    message_id = f"<{mark}@{hostname}>"
    received = trace.received(
        helo="example.com",
        peer="192.0.2.1",  # of documentation (RFC 5737): nobody's
        hostname=hostname,
        protocol="ESMTP",
        identifier=mark,
        time=now,
        recipient=to.text,
    )
    text = _TEXT.format(
        sender=sender.text,
        recipient=to.text,
        way=way,
        words=_WORDS[way],
        mark=mark,
        date=dates.show(now),
        message_id=message_id,
        hostname=hostname,
    )
    return message_id, received + text.encode()


def _tried(way: str, message_id: str, host: str, outcome: Outcome) -> Tried:
    accepted = outcome.verdict is Verdict.ACCEPTED
    code, text = (outcome.reply.code, outcome.reply.line) if outcome.reply is not None else (0, outcome.reason)
    return Tried(way, message_id, accepted, host, code, text)
