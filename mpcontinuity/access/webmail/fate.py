"""What becomes of a message, in words: one sentence, and the steps that led to it.

It is said to the user whose message it is, of their own part of it alone; of what they have sent, for each recipient.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import Final

from mpcontinuity.access.webmail.signed_in import Visit
from mpcontinuity.model import events
from mpcontinuity.model.address import parse
from mpcontinuity.model.events import REDIRECTED_HOST, TrackingEvent
from mpcontinuity.model.owed import DELETED, DELIVERED, EXPIRED, FAILED, IN_DOUBT, IN_FLIGHT, RELEASED
from mpcontinuity.model.visible import visible
from mpcontinuity.queue.fates import Fate, of_message
from mpcontinuity.tracking import sent
from mpcontinuity.tracking.sent import Sent, SentTo
from mpcontinuity.web.languages import marked

_LONGEST: Final = 300  # characters of home's words that are shown
_CODE: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3} ")  # before our own words it tells a user nothing (RFC 3463)

_DELETED: Final = marked("You have deleted this message: it stays deleted, and your mail server will not get it.")
_STAYS_DELETED: Final = marked("You had deleted this message: it stays deleted, and your mail server never got it.")
_HELD: Final = marked("This message is kept here until your administrators let it go to your mail server.")
_WAITS: Final = marked("This message goes to your mail server as soon as that is back. You need not do anything.")
_TRIED: Final = marked("Your mail server did not take this message yet; it is offered again until it does.")
_DOUBT: Final = marked(
    "Your mail server may have this message already: it did not answer in time. It is being found out."
)
_GOING: Final = marked("This message is on its way to your mail server right now.")
_BACK: Final = marked("Your mail server has this message: it is in your usual mailbox.")
_FAILED: Final = marked("Your mail server refused this message. It stays here, and your administrators know of it.")
_EXPIRED: Final = marked(
    "Your mail server did not take this message for days, and it is not offered any more. It stays here, and your "
    "administrators know of it."
)
_RELEASED: Final = marked(
    "Your administrators decided that this message does not go to your mail server. It stays here."
)
_SENT: Final = {
    "waiting": marked("A copy of this message goes to your mail server as soon as that is back."),
    "back": marked("Your mail server has a copy of this message."),
}

_LOST: Final = marked("not delivered")
_OF_RECIPIENT: Final = {
    events.DELIVERED: (marked("delivered"), "done"),
    events.QUEUED: (marked("on its way, and tried again until it is taken"), "hint"),
    events.DEFERRED: (marked("kept here, until their mail server is back"), "hint"),
}
_HOST_SAID: Final = marked("%(what)s: %(host)s said: %(reply)s")

_CAME: Final = marked("came here, because your mail server did not serve")
_KEPT: Final = marked("kept in your inbox")
_OFFERED: Final = marked("offered to your mail server, which said: %(code)d %(text)s")
_NO_ANSWER: Final = marked("offered to your mail server: %(text)s")


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened to a message. ``time`` is in µs."""

    time: int
    text: str


@dataclass(frozen=True, slots=True)
class Told:
    """The sentence, whether it is good news (done), bad (error) or neither (hint), and the steps."""

    sentence: str
    kind: str
    steps: tuple[Step, ...]


async def of_entry(visit: Visit, body: int) -> Told | None:
    """Returns what becomes of a message of the user's, by its body; None where home was never owed it.

    Raises Temporary.
    """
    store = visit.services.control.store
    fates = await store.read(partial(of_message, account=visit.user.id, body=body))
    return tell(visit, fates)


def tell(visit: Visit, fates: list[Fate]) -> Told | None:
    """Returns the fate of a message in words: where it was for several addresses, of the one that is least done."""
    if not fates:
        return None
    one = min(fates, key=lambda fate: (fate.ended > 0, fate.state in (DELIVERED, DELETED)))
    sentence, kind = sentence_of(one)
    return Told(visit.said(sentence), kind, tuple(_steps(visit, one)))


def sentence_of(fate: Fate) -> tuple[str, str]:
    """Returns the sentence, as a text to be translated, and its kind: done, error or hint."""
    if fate.deleted:
        return _DELETED, "hint"
    match fate.state:
        case state if state == DELIVERED:
            return (_BACK if fate.kind == "redelivery" else _SENT["back"]), "done"
        case state if state == DELETED:
            return _STAYS_DELETED, "hint"
        case state if state == FAILED:
            return _FAILED, "error"
        case state if state == EXPIRED:
            return _EXPIRED, "error"
        case state if state == RELEASED:
            return _RELEASED, "hint"
        case state if state == IN_DOUBT:
            return _DOUBT, "hint"
        case state if state == IN_FLIGHT:
            return _GOING, "hint"
    if fate.held:
        return _HELD, "hint"
    if fate.kind != "redelivery":
        return _SENT["waiting"], "hint"
    return (_TRIED if fate.attempts else _WAITS), "hint"


def _steps(visit: Visit, fate: Fate) -> list[Step]:
    came = [Step(fate.received, visit.said(_CAME))] if fate.kind == "redelivery" else []
    return [*came, *(Step(event.time, _step(visit, event)) for event in fate.events)]


def _step(visit: Visit, event: TrackingEvent) -> str:
    if event.host == REDIRECTED_HOST:
        return visit.said(_KEPT)
    text = visible(event.text[:_LONGEST])
    if not event.host:  # our own note
        return _plain(text)
    if event.code:
        return visit.said(_OFFERED, code=event.code, text=text)
    return visit.said(_NO_ANSWER, text=text)


@dataclass(frozen=True, slots=True)
class SentOn:
    """What became of a message for one recipient: when, in words, and whether that is done, an error or a hint."""

    recipient: str
    time: int
    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class ToldOfSent:
    """The sentence about all recipients and its kind, what became of it for each, and how many are not named."""

    sentence: str
    kind: str
    recipients: tuple[SentOn, ...]
    more: int


async def of_sent(visit: Visit, message_id: str, time: int) -> ToldOfSent | None:
    """Returns what became of a message that the user has sent, for each of those to whom it went; None where nothing is
    known of it. ``time`` is that of their copy, in µs. Raises Temporary."""
    user, store = visit.user, visit.services.control.store
    own = frozenset(parse(each).key for each in await visit.services.desk.addresses(user))
    work = partial(sent.of_message, domain=user.domain, own=own, message_id=message_id, time=time)
    found = await store.read(work)
    return tell_of_sent(visit, found) if found.recipients else None


def tell_of_sent(visit: Visit, found: Sent) -> ToldOfSent:
    """Returns in words what became of a message for its recipients."""
    every = sum(found.counts.values())
    there = found.counts.get(events.DELIVERED, 0)
    waits = found.counts.get(events.QUEUED, 0) + found.counts.get(events.DEFERRED, 0)
    failed = every - there - waits
    words, kind = [], "done"
    if failed:
        kind = "error"
        words.append(
            visit.counted("It did not reach %(number)d recipient.", "It did not reach %(number)d recipients.", failed)
        )
    elif waits:
        kind = "hint"
        words.append(
            visit.counted(
                "It is on its way to %(number)d recipient.", "It is on its way to %(number)d recipients.", waits
            )
        )
    if there:
        words.append(
            visit.counted(
                "It was delivered to %(number)d recipient.", "It was delivered to %(number)d recipients.", there
            )
        )
    each = tuple(_sent_on(visit, one) for one in found.recipients)
    return ToldOfSent(" ".join(words), kind, each, every - len(each))


def _sent_on(visit: Visit, one: SentTo) -> SentOn:
    last = one.last
    text = visible(last.text[:_LONGEST])
    said, kind = _OF_RECIPIENT.get(one.status, (_LOST, "error"))
    words = visit.said(said)
    if last.host and last.host != REDIRECTED_HOST:
        reply = f"{last.code} {text}" if last.code else text
        words = visit.said(_HOST_SAID, what=words, host=visible(last.host[:_LONGEST]), reply=reply)
    elif kind == "error":
        words = visit.said("%(what)s: %(why)s", what=words, why=_plain(text))
    return SentOn(visible(one.recipient), last.time, words, kind)


def _plain(note: str) -> str:
    """A note of our own without its code."""
    code = _CODE.match(note)
    return note[code.end() :] if code is not None else note
