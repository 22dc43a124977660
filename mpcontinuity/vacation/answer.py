"""Writes the answer of a vacation text, and queues it in the transaction that notes that it was given."""

from __future__ import annotations

import msgspec

from mpcontinuity.accounts import domains
from mpcontinuity.accounts.users import User
from mpcontinuity.accounts.vacation import LONGEST_SUBJECT, Vacation
from mpcontinuity.message import composing
from mpcontinuity.message.automatic import Circumstances
from mpcontinuity.message.composing import Correspondent, Letter
from mpcontinuity.model import events
from mpcontinuity.model.address import Address
from mpcontinuity.model.body import Body
from mpcontinuity.model.events import TrackingEvent
from mpcontinuity.model.outgoing import DSN, OUTBOUND
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.queue import outgoing, vacation
from mpcontinuity.queue.outgoing import NewOutgoing
from mpcontinuity.queue.owed import Parameters
from mpcontinuity.queue.unreported import Changed
from mpcontinuity.queue.vacation import Due
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking.record import NewRow, record_all

_WITHOUT_SUBJECT = "Automatic answer"
# RFC 3834 §5.2, and the field that Exchange has for the same: no program answers this answer.
_HEAD = b"Auto-Submitted: auto-replied\r\nX-Auto-Response-Suppress: All\r\n"
_NEVER = RcptParameters(notify="NEVER")  # RFC 3461 §4.1: nobody is told what became of it
_QUEUED = "Vacation text, queued"


class NewAnswer(msgspec.Struct, frozen=True):
    """An answer that is to be queued. ``sender`` is the address that was written to. Times are in µs."""

    id: int
    due: Due
    user: User
    sender: Address
    to: Address
    time: int
    expires: int
    subject: str
    message_id: str
    plain: bool  # all octets are ASCII


def subject_of(written: Vacation, circumstances: Circumstances) -> str:
    """Returns the user's own subject, or else that of the message behind a word that says what this is (RFC 3834
    §3.1.5)."""
    if written.subject:
        return written.subject
    theirs = composing.shown(circumstances.subject, LONGEST_SUBJECT)
    return f"Auto: {theirs}" if theirs else _WITHOUT_SUBJECT


def compose(
    written: Vacation,
    circumstances: Circumstances,
    *,
    user: User,
    sender: Address,
    to: Address,
    message_id: str,
    time: int,
) -> bytes:
    """Returns the answer as a whole message.

    It is from the address that was written to, ``sender``, and no other of the user's is told (RFC 3834 §3.1.2).
    """
    letter = Letter(
        sender=Correspondent(user.name, sender),
        to=[Correspondent("", to)],
        subject=subject_of(written, circumstances),
        text=written.text,
        time=time,
        message_id=message_id,
        in_reply_to=circumstances.message_id,
        references=circumstances.references,
        boundary="",  # it has one part
    )
    return _HEAD + b"".join([piece for piece in composing.compose(letter) if isinstance(piece, bytes)])


def place(tx: Transaction, body: Body, answer: NewAnswer) -> None:
    """Queues the answer, from the null sender (RFC 3834 §3.3), and notes that it was given. Raises Changed where it was
    given already: then nothing is queued."""
    if not vacation.drop(tx, answer.due) or not vacation.answered(tx, answer.user.id, answer.due.sender):
        raise Changed
    own = domains.find(tx, answer.sender.domain)
    mail = MailParameters(body="" if answer.plain else "8BITMIME", smtputf8=not answer.to.ascii)
    new = NewOutgoing(
        id=answer.id,
        domain=own.id if own is not None else answer.user.domain,
        account=None,
        body=body.id,
        recipient=answer.to.text,
        destination=answer.to.domain,
        reverse_path="",
        received=answer.time,
        expires=answer.expires,
        kind=DSN,  # with what else strangers make happen: it takes its turns, and not those of mail that users write
        parameters=Parameters(mail, _NEVER),
        subject=answer.subject,
        message_id=answer.message_id,
        size=body.length,
    )
    outgoing.take_in(tx, [new])
    record_all(tx, [_row(answer, body, new, tx.now)])


def _row(answer: NewAnswer, body: Body, new: NewOutgoing, now: int) -> NewRow:
    return NewRow(
        domain=new.domain,
        received=answer.time,
        direction=OUTBOUND,
        status=events.QUEUED,
        sender="",
        recipient=answer.to.text,
        recipient_key=answer.to.key,
        message_id=answer.message_id,
        subject=answer.subject,
        size=body.length,
        text=_QUEUED,
        events=(TrackingEvent(now, "", 0, _QUEUED),),
        owed=answer.id,
    )
