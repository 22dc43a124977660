"""The index built again from packs: messages that the database does not know, because it is older, new, or lost rows.

A pack says of each message who sent it to whom and what was decided (store/bodies/head.py), and later what became of
it. What was redirected goes into INBOX and is owed *in doubt* under the id that home may have been shown, unless a pack
notes that home took it since. Byte-identical messages are all kept: whether the sender was answered, nobody knows here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from mpcontinuity.accounts import domains, users
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.archive.record import record_all as archive
from mpcontinuity.check import departures
from mpcontinuity.check.inspection import Inspection
from mpcontinuity.check.mailboxes import RECOVERED, folder
from mpcontinuity.check.messages import append_anew, sound
from mpcontinuity.delivery import answered, relay
from mpcontinuity.delivery.envelope import Message, Taken
from mpcontinuity.delivery.redirect import OWED_DECISIONS, archived_as, copies_of, put_in_inboxes
from mpcontinuity.mailbox.append import NewEntry, append
from mpcontinuity.mailbox.mailboxes import by_id
from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.message.render import render
from mpcontinuity.model import events, identifier
from mpcontinuity.model.address import Address, BadAddress, parse
from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import DAY, HOUR, iso
from mpcontinuity.model.errors import Corrupt
from mpcontinuity.model.events import TrackingEvent
from mpcontinuity.model.flags import DRAFT, SEEN
from mpcontinuity.model.outgoing import ALERT, DSN
from mpcontinuity.model.owed import DELIVERED, IN_DOUBT, OWED
from mpcontinuity.model.parameters import MailParameters
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.queue import recovery
from mpcontinuity.queue.owed import NewOwed, Parameters, decode_parameters, take_in
from mpcontinuity.routing.decision import Decision
from mpcontinuity.store.bodies import references
from mpcontinuity.store.bodies.head import OUTGOING
from mpcontinuity.store.bodies.layout import Kind
from mpcontinuity.store.bodies.packs import insert_pack
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.store.upkeep.verify import Damage, Outcome, Packed, walk
from mpcontinuity.tracking.record import record_all

APPEND = "append"  # the decision of what a client appended
_DECISIONS = {decision.value: decision for decision in Decision}
# A message may have been received this long before it was committed.
_SLOW = HOUR
_TEXT = "Redirect because: the index was built again from the packs"

_NEWEST = Statement("SELECT MAX(id) FROM body")
_ARCHIVED = Statement("SELECT 1 FROM archive WHERE body = :body LIMIT 1")

Lost = Mapping[tuple[int, str], int]  # (time received, recipient) -> id of an owed row that is gone


@dataclass(slots=True)
class _Tally:
    """What a pack has that the index does not."""

    what: Counter[str] = field(default_factory=Counter)
    first: int = 0
    last: int = 0

    def add(self, what: str, time: int) -> None:
        self.what[what] += 1
        self.first = min(self.first or time, time)
        self.last = max(self.last, time)

    def __str__(self) -> str:
        parts = ", ".join(f"{count} {what}" for what, count in sorted(self.what.items()))
        return f"{self.what.total()} messages are not in the index ({parts}; of {iso(self.first)} to {iso(self.last)})"


class Indexing:
    """One run over all packs, which takes in messages that the index does not know."""

    def __init__(self, inspection: Inspection, lost: Lost) -> None:
        """``lost`` are owed rows that are gone from a database that is current: only these are put back. It is empty
        where the database is older than the packs (``inspection.older``), which takes in all that is newer.
        """
        self._inspection = inspection
        self._store = inspection.store
        self._lost = lost
        self._delivered: set[int] = set()  # hashes of (body, recipient) that home took since
        self._horizon = 0
        self._today = inspection.store.clock.now() // DAY
        self._done: set[int] = set()  # bodies handled in this run

    async def run(self) -> None:
        """Reads all packs. Tells for each what is missing in the index, and takes that in where the check repairs."""
        packs = await self._store.bodies.background(self._store.packs.numbers)
        newest = await self._store.read(lambda tx: tx.value(_NEWEST))
        self._horizon = identifier.moment_of(newest) - _SLOW if newest else 0
        await self._read_outcomes(packs)
        for pack in packs:
            await self._pack(pack)

    @property
    def delivered(self) -> set[int]:
        """Hashes of (id of the message, recipient) for all that home has taken, as the packs say. A hash stands for the
        pair, because there can be many millions.
        """
        return self._delivered

    async def _read_outcomes(self, packs: Sequence[int]) -> None:
        """First, since an outcome may stand in a pack with a lower number than its message."""
        async for step in walk(self._store, packs):
            for found in step:
                if isinstance(found, Outcome):
                    for recipient, decision in found.decided.decisions.items():
                        if decision == DELIVERED:
                            self._delivered.add(hash((found.decided.id, recipient)))

    async def _pack(self, pack: int) -> None:
        tally, mended, unread = _Tally(), _Tally(), 0
        async for step in walk(self._store, [pack]):
            unread += sum(found.gap.stop - found.gap.start for found in step if isinstance(found, Damage))
            for packed, decisions in await self._wanted(step):
                self._done.add(packed.body.id)
                if not await self._store.bodies.background(partial(sound, self._store.packs, packed.body)):
                    tally.add("damaged", packed.head.time)
                    continue
                what = _kind(decisions)
                tally.add(what, packed.head.time)
                if self._inspection.repair and await self._index(packed, decisions):
                    mended.add(what, packed.head.time)
        name = identifier.show(pack)
        if tally.what:
            remedy = "takes them in; what was redirected is owed in doubt"

            async def mend() -> str:  # done above, message by message
                return f"taken in: {mended.what.total()}" if mended.what.total() == tally.what.total() else ""

            await self._inspection.found("pack", f"pack {name}: {tally}", remedy, mend)
        if unread:
            self._inspection.note(f"pack {name}: {unread} octets are no entries (damaged, or torn by a crash)")

    async def _wanted(self, step: Sequence[object]) -> list[tuple[Packed, Mapping[str, str]]]:
        found: list[tuple[Packed, Mapping[str, str]]] = []
        for one in step:
            if isinstance(one, Packed):
                decisions = one.head.decisions or _kept(one)
                if decisions:
                    found.append((one, decisions))
            elif isinstance(one, Outcome) and one.packed is not None:
                decisions = {to: decision for to, decision in one.decided.decisions.items() if decision != DELIVERED}
                if decisions:
                    found.append((one.packed, decisions))
        if not self._inspection.older:
            return [
                (packed, self._of_lost(packed, decisions))
                for packed, decisions in found
                if self._of_lost(packed, decisions)
            ]
        ids = [packed.body.id for packed, _ in found]
        known = await self._store.read(partial(references.find_many, body_ids=ids)) if ids else {}
        return [
            (packed, decisions)
            for packed, decisions in found
            if packed.body.id not in known and packed.body.id not in self._done and self._newer(packed)
        ]

    def _newer(self, packed: Packed) -> bool:
        """Whether the database may not know it: what it knew and dropped is older, or in a pack that was swept."""
        return not self._horizon or (packed.head.time >= self._horizon and packed.day > self._today)

    def _of_lost(self, packed: Packed, decisions: Mapping[str, str]) -> dict[str, str]:
        return {to: decision for to, decision in decisions.items() if (packed.head.time, to) in self._lost}

    async def _index(self, packed: Packed, decisions: Mapping[str, str]) -> bool:
        try:
            content = await self._store.bodies.read(packed.body)
        except Corrupt:
            return False
        blob = render(content) if set(decisions.values()) & {Decision.REDIRECT.value, APPEND, OUTGOING} else b""
        said: list[str] = await self._store.run(partial(self._work, packed=packed, decisions=decisions, blob=blob))
        if packed.mended:
            await append_anew(self._inspection, packed.body, packed.head)
        for text in said:
            self._inspection.note(text)
        return True

    def _work(self, tx: Transaction, packed: Packed, decisions: Mapping[str, str], blob: bytes) -> list[str]:
        body, said = packed.body, _Said()
        fresh = references.find(tx, body.id) is None
        if fresh:
            insert_pack(body.pack, packed.kind, packed.day, tx)
            references.insert_body(tx, body, 0)
        relayed = {to: decision for to, decision in decisions.items() if decision == Decision.PASS.value}
        appended = [to for to, decision in decisions.items() if decision == APPEND]
        redirected = {
            to: _DECISIONS[decision]
            for to, decision in decisions.items()
            if decision in _DECISIONS and decision != Decision.PASS.value
        }
        if relayed:
            for to in relayed:
                _domain(tx, parse(to), said)
            relay.repair(tx, packed.head, body, relayed)
        for to in appended:
            _append(tx, packed, _user(tx, parse(to), said), blob)
        if OUTGOING in decisions.values():
            _depart(tx, packed, blob if fresh else b"", said)
        if redirected:
            self._redirect(tx, packed, redirected, blob if fresh else b"", said)
        return said.lines

    def _redirect(
        self, tx: Transaction, packed: Packed, decisions: Mapping[str, Decision], blob: bytes, said: _Said
    ) -> None:
        head, body = packed.head, packed.body
        taken = [self._taken(tx, packed, to, decision, said) for to, decision in decisions.items()]
        domain = self._domain_of(tx, taken[0].address, taken[0].decision, said)  # one retention for all
        parameters = [decode_parameters(text) for text in head.parameters]
        message = Message(
            id=head.id,
            received=head.time,
            reverse_path=head.reverse_path,
            parameters=parameters[0].mail if parameters else MailParameters(),
            retention_days=domain.settings.retention_days if domain else DomainSettings().retention_days,
            subject=head.subject,
            message_id=head.message_id,
            size=body.length,
            taken=tuple(taken),
        )
        if blob:
            put_in_inboxes(
                tx, copies_of(body, message, [one for one in taken if one.decision is Decision.REDIRECT], blob)
            )
        if tx.one(_ARCHIVED, body=body.id) is None:
            archive(tx, archived_as(body, message, taken))
        for one in taken:
            self._owe(tx, message, body, one)
        answered.note(tx, [one.fingerprint for one in taken])

    def _taken(self, tx: Transaction, packed: Packed, to: str, decision: Decision, said: _Said) -> Taken:
        head, address = packed.head, parse(to)
        place = head.recipients.index(to) if to in head.recipients else len(head.owed)
        owed = self._lost.get((head.time, to)) or (head.owed[place] if place < len(head.owed) else 0)
        asked = decode_parameters(head.parameters[place]) if place < len(head.parameters) else Parameters()
        domain = self._domain_of(tx, address, decision, said)
        return Taken(
            address,
            decision,
            asked.rcpt,
            domain=domain.id if domain else 0,
            user=_user(tx, address, said) if decision is Decision.REDIRECT else None,
            owed=owed or tx.identifier(),
            shown=asked.shown,
            fingerprint=answered.fingerprint(head.reverse_path, address.key, head.fingerprint),
        )

    def _domain_of(self, tx: Transaction, address: Address, decision: Decision, said: _Said) -> Domain | None:
        """None for the server's own postmaster."""
        own = self._inspection.hostname.lower()
        if decision is Decision.KEEP and address.domain == own and domains.find(tx, own) is None:
            return None
        return _domain(tx, address, said)

    def _owe(self, tx: Transaction, message: Message, body: Body, one: Taken) -> None:
        """Owed in doubt, or delivered where a pack says so; and shown in tracking."""
        now = tx.now
        if one.decision not in OWED_DECISIONS:
            event = TrackingEvent(now, events.REDIRECTED_HOST, 250, "2.0.0 Kept for the administrators")
            record_all(tx, [message.row(one, events.DELIVERED, 250, event.text, (event,))])
            return
        if not recovery.known(tx, one.owed):
            counted = not self._inspection.older and recovery.counted(tx, one.domain, one.account)
            new = NewOwed(
                id=one.owed,
                domain=one.domain,
                account=one.account,
                body=body.id,
                recipient=one.address.text,
                reverse_path=message.reverse_path,
                received=message.received,
                size=message.size,
                subject=message.subject,
                message_id=message.message_id,
                parameters=Parameters(message.parameters, one.parameters, one.shown),
                state=IN_DOUBT,
            )
            take_in(tx, [new])
            if counted:
                recovery.uncount(tx, one.domain, one.account)
        event = TrackingEvent(now, events.REDIRECTED_HOST, events.REDIRECTED_CODE, _TEXT)
        if not recovery.tracked(tx, one.owed, event):
            row = message.row(
                one,
                events.DEFERRED,
                event.code,
                event.text,
                (event,),
                continuity=True,
                outcome=OWED,
                owed=one.owed,
            )
            record_all(tx, [row])
        if hash((body.id, one.address.text)) in self._delivered:
            recovery.delivered(tx, one.owed)


class _Said:
    """What an administrator should know of what had to be made up."""

    def __init__(self) -> None:
        self.lines: list[str] = []


def _kind(decisions: Mapping[str, str]) -> str:
    kinds = set(decisions.values())
    if kinds & {Decision.REDIRECT.value, Decision.HOLD.value}:
        return "redirected"
    if APPEND in kinds:
        return "appended by users"
    if OUTGOING in kinds:
        return "sent by users"
    return "taken by home" if Decision.PASS.value in kinds else "kept for administrators"


def _kept(packed: Packed) -> dict[str, str]:
    """What was moved to a pack of its own was in a mailbox or owed, though its head was written before that; but for
    what the server wrote to strangers, which stays for `queue retry` alone."""
    if packed.kind is not Kind.KEPT or packed.head.direction in (ALERT, DSN):
        return {}
    decision = APPEND if packed.head.direction == APPEND else Decision.REDIRECT.value
    return dict.fromkeys(packed.head.recipients, decision)


def _domain(tx: Transaction, address: Address, said: _Said) -> Domain:
    domain = domains.find(tx, address.domain)
    if domain is not None:
        return domain
    said.lines.append(
        f"domain {address.domain} was not known: added without a home server, in mode 'enabled' (nothing is sent home) "
        f"until you set both: mpcontinuity domain set {address.domain} home=HOST mode=disabled"
    )
    return domains.add(tx, address.domain, DomainSettings(mode="enabled"))


def _user(tx: Transaction, address: Address, said: _Said) -> users.User:
    user = users.find(tx, address)
    if user is not None:
        return user
    domain = _domain(tx, address, said)
    try:
        own = parse(address.untagged_key) if address.untagged_key != address.key else address
    except BadAddress:
        own = address
    said.lines.append(f"user {own} was not known: added, pending until a password is set")
    return users.add_user(tx, domain=domain.id, address=own, status="pending")


def _depart(tx: Transaction, packed: Packed, blob: bytes, said: _Said) -> None:
    """Sent by a user or a home server."""
    head = packed.head
    whose = departures.sender_of(head)
    if not whose:  # a report of a home server's: nobody's mail by now
        return
    domain = _domain(tx, parse(whose), said)
    user = _user(tx, parse(head.mailbox), said) if head.mailbox else None
    waiting = departures.take_in(tx, head, packed.body, domain, user, blob)
    if waiting:
        ids = " ".join(identifier.show(one) for one in waiting)
        said.lines.append(f"sent by {whose}, not known whether it arrived; to send it: mpcontinuity queue retry {ids}")


def _append(tx: Transaction, packed: Packed, user: users.User, blob: bytes) -> None:
    try:
        mailbox = folder(tx, user.id, packed.head.mailbox or RECOVERED)
    except MailboxRefused:
        mailbox = folder(tx, user.id, RECOVERED)
    info = by_id(tx, mailbox)
    flags = SEEN | DRAFT if info is not None and info.use == "\\Drafts" else SEEN
    append(tx, mailbox, [NewEntry(packed.body.id, packed.body.length, packed.head.time, flags, (), blob)])
