"""Sends what users have written, by the submission that SMTP uses, once the time to undo it is over.

Sending is a promise of a row: the draft has a time from which on it leaves, so that it leaves after a restart too, and
from whichever process comes first. The draft ends in the transaction in which its message departs, which refuses a
draft that was called back or has left: so it is sent once, whoever tries how often. What cannot be sent becomes a draft
again, with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from mpcontinuity.accounts import users
from mpcontinuity.accounts.users import User
from mpcontinuity.delivery import replies
from mpcontinuity.delivery.envelope import Client
from mpcontinuity.delivery.transaction import UserTransaction
from mpcontinuity.mailbox import change, drafts, enclosures, mailboxes
from mpcontinuity.mailbox.append import UID_BITS
from mpcontinuity.mailbox.drafts import UNDO, Draft, DraftVersion, NotLeaving
from mpcontinuity.mailbox.enclosures import Attached
from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.message.composing import MESSAGE
from mpcontinuity.model.address import Address
from mpcontinuity.model.clock import MINUTE, SECOND
from mpcontinuity.model.errors import Reported, Stopping, Temporary
from mpcontinuity.model.flags import ANSWERED
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.reply import Reply
from mpcontinuity.model.texts import kept, marked, said
from mpcontinuity.model.timer import Timer
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.writing import composition
from mpcontinuity.writing.composition import Envelope, Fault
from mpcontinuity.writing.desk import Desk, boundary

EVERY: Final = 2.0  # s between looks for what leaves: what another process promised leaves by this one, if that is gone
_PATIENCE: Final = 5 * MINUTE  # for which what cannot be sent now is tried again, before it becomes a draft
_AGAIN: Final = 5 * SECOND  # from one try to the next
_FORWARDED: Final = "$Forwarded"  # as IANA has it among keywords of IMAP

_log = Logger()


class Submit(Protocol):
    """What begins a transaction of a user (delivery/submission.py)."""

    def __call__(
        self,
        client: Client,
        user: User,
        reverse_path: Address | None,
        parameters: MailParameters,
        /,
        *,
        draft: DraftVersion | None = None,
    ) -> UserTransaction: ...


@dataclass(slots=True)
class Outbox:
    """Sends drafts of users. ``submit`` begins the transaction of each."""

    desk: Desk
    submit: Submit
    timer: Timer
    _looking: bool = field(default=False)
    _last: int = field(default=0)  # the account whose turn it was: all that one has sent keeps no other waiting

    async def check(self, user: User, draft: Draft, attached: Sequence[Attached]) -> list[Fault]:
        """Returns what the submission would refuse of a draft, of which nothing is sent. Raises Temporary."""
        addressed, faults = composition.envelope(draft.written, user.name, user.address)
        if not addressed.recipients and not faults:
            faults.append(Fault("to", marked("Say to whom this message goes.")))
        contents = await composition.contents(self.desk.store, draft.written, attached)
        needed = composition.needed(contents, attached)
        faults += _incomplete(needed)
        faults += self._too_many(addressed)
        longest = self.desk.limits.message_size
        if composition.size(draft.written, needed) > longest:
            faults.append(Fault("attachments", said(_TOO_LARGE, size=longest // 1_000_000)))
        if faults:
            return faults
        transaction = self._begin(user, addressed, draft, needed)
        try:
            return await _refusals(transaction, addressed)
        finally:
            transaction.abandon()

    def _too_many(self, addressed: Envelope) -> list[Fault]:
        """Said by the field in which the first one stands who is too many."""
        recipients, most = addressed.recipients, self.desk.limits.recipients
        if len(recipients) <= most:
            return []
        return [Fault(recipients[most][0], said(_TOO_MANY, number=len(recipients), most=most))]

    async def send(self, user: User, draft: Draft) -> int:
        """Has a draft leave once the time to undo is over, and returns when, in µs. Raises DraftChanged, Temporary."""
        message_id = self.desk.message_id(user, draft.id)
        work = partial(drafts.send, account=user.id, id_=draft.id, version=draft.version, message_id=message_id)
        due = await self.desk.store.run(work)
        self.timer.callLater(UNDO / SECOND + 0.05, self.wake)
        return due

    async def undo(self, user: User, id_: int) -> bool:
        """Makes a draft again of what has not left, and returns whether it had not. Raises Temporary."""
        return await self.desk.store.run(partial(drafts.undo, account=user.id, id_=id_))

    def wake(self) -> None:
        """Looks for what is to leave now."""
        Deferred.fromCoroutine(self.look()).addErrback(_failed)

    async def look(self) -> None:
        """Sends what is to leave now. Raises Temporary."""
        if self._looking:
            return
        self._looking = True
        try:
            store = self.desk.store
            while await store.read(drafts.waits):
                draft = await store.run(partial(drafts.claim, after=self._last))
                if draft is None:
                    break
                self._last = draft.account
                await self._leave(draft)
        finally:
            self._looking = False

    async def _leave(self, draft: Draft) -> None:
        store = self.desk.store
        attached: Sequence[Attached] = ()
        try:
            user = await store.read(partial(users.by_id, account=draft.account))
            attached = await store.read(partial(enclosures.of, draft=draft.id))
            faults = await self._depart(user, draft, attached) if user is not None else [_GONE]
        except NotLeaving:
            return
        except Stopping:
            raise
        except Temporary as error:
            _log.warn("a message of a user cannot leave now: {error}", error=error, often=True)
            faults = [_NOT_NOW]
        except Exception:  # a mistake of ours over this message must not hold up those of all others
            _log.failure("a message of a user cannot leave", often=True)
            faults = [_MISTAKE]
        if not faults:
            await self._mark(draft)
            await self.desk.clear([one.id for one in attached])
        elif any(fault in _PASSING for fault in faults) and store.clock.now() - draft.due < _PATIENCE:
            await store.run(partial(drafts.later, draft=draft.seen, wait=_AGAIN))
        else:
            text = kept([fault.text for fault in faults[:5]])
            await store.run(partial(drafts.give_up, draft=draft.seen, fault=text))

    async def _depart(self, user: User, draft: Draft, attached: Sequence[Attached]) -> list[Fault]:
        """Why it was refused; nothing: it has departed. Raises NotLeaving and Temporary."""
        addressed, faults = composition.envelope(draft.written, user.name, user.address)
        contents = await composition.contents(self.desk.store, draft.written, attached)
        needed = composition.needed(contents, attached)
        faults += _incomplete(needed)  # one that was begun between the check and the click
        if faults:
            return faults
        transaction = self._begin(user, addressed, draft, needed)
        try:
            faults = await _refusals(transaction, addressed)
            if not faults:
                faults = _said("", transaction.begin())
            if faults:
                transaction.abandon()
                return faults
            letter = composition.letter(
                draft,
                addressed,
                contents,
                message_id=draft.message_id,
                time=draft.due - UNDO,
                boundary=boundary(self.desk.randomness),
            )
            async for piece in composition.octets(self.desk.store, letter, contents):
                transaction.write(piece)
            reply = await transaction.end(None)
        except BaseException:
            transaction.abandon()
            raise
        if reply.positive:
            transaction.went_on()
        return _said("", reply)

    def _begin(self, user: User, addressed: Envelope, draft: Draft, attached: Sequence[Attached]) -> UserTransaction:
        utf8 = not addressed.ascii
        enclosed = any(one.kind == MESSAGE for one in attached)
        parameters = MailParameters(
            size=composition.size(draft.written, attached),
            body="8BITMIME" if enclosed or utf8 else "",
            smtputf8=utf8,
        )
        client = Client(peer="", helo=self.desk.hostname, protocol="HTTP", session="webmail")
        return self.submit(client, user, addressed.sender.address, parameters, draft=draft.seen)

    async def _mark(self, draft: Draft) -> None:
        """Says of the message that was answered or forwarded that it was; it may be gone by now."""
        if draft.written.about:
            try:
                await self.desk.store.run(partial(_mark, draft=draft))
            except (MailboxRefused, Temporary) as error:
                _log.info("a message is not marked as answered: {error}", error=error)


_TOO_LARGE: Final = marked("The message is too large: %(size)d MB with all its attachments.")
_TOO_MANY: Final = marked(
    "These are %(number)d people with all fields, and one message may have %(most)d. Send it in parts."
)
_GONE: Final = Fault("", marked("Your account is not active any more."))
_NOT_NOW: Final = Fault("", marked("The server could not take the message."))
_MISTAKE: Final = Fault("", marked("The server could not make a message of this. Its administrator can help."))
_NO_ROOM: Final = Fault("", marked("There is no room on the server at the moment. Please try again later."))
_TOO_MANY_NOW: Final = Fault(
    "to", marked("You have written to as many people as you may within an hour. Please try again later.")
)
_PASSING: Final = frozenset({_NOT_NOW, _NO_ROOM, _TOO_MANY_NOW})
_WORDS: Final = {
    replies.NOT_YOUR_ADDRESS: Fault("sender", marked("You may not write by this address.")),
    replies.NOT_YOUR_FROM: Fault("sender", marked("You may not write by this address.")),
    replies.NOT_ACTIVE: _GONE,
    replies.MAILBOX_FULL: Fault(
        "", marked("Your mailbox is full, and keeps what you send. Delete some messages first.")
    ),
    replies.DOMAIN_FULL: Fault(
        "", marked("The mailboxes of your organisation are full together. Its administrator can help.")
    ),
    replies.TOO_MANY_RECIPIENTS: Fault(
        "to", marked("These are more people than one message may have. Send it in parts.")
    ),
    replies.TOO_MANY_THIS_HOUR: _TOO_MANY_NOW,
    replies.NO_ROOM: _NO_ROOM,
    replies.IN_HAND: _NOT_NOW,
    replies.LOOP: Fault("", marked("The message that you forward has gone round in a circle.")),
}
_OF_RECIPIENT: Final = {
    replies.SOURCE_ROUTED: marked("this server does not take addresses with a percent sign, ! or a second @."),
    replies.BAD_DOMAIN: marked("there can be no such domain."),
    replies.NO_SUCH_MAILBOX: marked("there is no such mailbox here."),
}


def _incomplete(needed: Sequence[Attached]) -> list[Fault]:
    """What has not come whole of all that the message is made of: a picture that its text does not show is none of
    that, and nobody could remove it."""
    names = [one.name for one in needed if not one.complete]
    text = marked("“%(name)s” has not arrived whole: attach it again.")
    return [Fault("attachments", said(text, name=name)) for name in names]


async def _refusals(transaction: UserTransaction, addressed: Envelope) -> list[Fault]:
    """What is refused of the envelope, by its fields."""
    faults = _said("sender", await transaction.sender())
    if faults:
        return faults
    for field_, address in addressed.recipients:
        reply = await transaction.recipient(address, RcptParameters())
        known = _OF_RECIPIENT.get(reply)
        known_ = [Fault(field_, said("“%(address)s”: %(why)s", address=address.text, why=said(known)))] if known else []
        faults += known_ or _said(field_, reply)
        if len(faults) >= _MOST_SAID:
            break
    return list(dict.fromkeys(faults))


_MOST_SAID: Final = 20


def _said(field_: str, reply: Reply) -> list[Fault]:
    """A refusal in words; nothing, where it is none."""
    if reply.positive:
        return []
    return [_WORDS.get(reply) or Fault(field_, said("The server refuses this: %(reply)s.", reply=reply.line))]


def _mark(tx: Transaction, draft: Draft) -> None:
    mailbox, uid = draft.written.about >> UID_BITS, draft.written.about & (1 << UID_BITS) - 1
    info = mailboxes.by_id(tx, mailbox)
    if info is None or info.account != draft.account:
        return
    forwarded = draft.written.how == "forward"
    flags, keywords = (0, (_FORWARDED,)) if forwarded else (ANSWERED, ())
    change.store_flags(tx, mailbox, ((uid, uid),), "add", flags, keywords)


def _failed(failure: Failure) -> None:
    if isinstance(failure.value, Stopping):
        return
    if isinstance(failure.value, Reported):
        _log.warn("messages of users cannot leave now: {error}", error=failure.value, often=True)
    else:
        _log.failure("messages of users cannot leave", failure)
