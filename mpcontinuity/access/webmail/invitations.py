"""Invitations: when the event is, in words, and the answer, which is a letter to whoever invited.

What a calendar says was read by a reader process. An answer goes to the address that the calendar names, which may be
anybody's: the page shows it, and says where it is another one than that of whoever wrote the message.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mpcontinuity.access.webmail import dates
from mpcontinuity.access.webmail.reading import Message
from mpcontinuity.access.webmail.signed_in import Visit
from mpcontinuity.mailbox import invitation_answers, pages
from mpcontinuity.mailbox.append import UID_BITS
from mpcontinuity.mailbox.drafts import DraftChanged, Written
from mpcontinuity.mailbox.invitation_answers import Answered
from mpcontinuity.message import composing, scheduling
from mpcontinuity.message.display.shown import Invitation, Person, Shown
from mpcontinuity.message.scheduling import Answer
from mpcontinuity.model import identifier
from mpcontinuity.model.address import BadAddress, parse
from mpcontinuity.model.clock import SECOND
from mpcontinuity.web.languages import Language, marked
from mpcontinuity.writing.composition import Fault

SUBJECTS: Final[dict[str, str]] = {
    "accepted": marked("Accepted: %(summary)s"),
    "tentative": marked("Tentative: %(summary)s"),
    "declined": marked("Declined: %(summary)s"),
}
_TEXTS: Final[dict[str, str]] = {
    "accepted": marked("%(who)s accepts the invitation to “%(summary)s”."),
    "tentative": marked("%(who)s may come to “%(summary)s”, and cannot say for certain yet."),
    "declined": marked("%(who)s declines the invitation to “%(summary)s”."),
}
_TIME: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?: ([0-9]{2}):([0-9]{2})(?: (.*))?)?", re.DOTALL)
_DURATION: Final = re.compile(r"P(?:(\d{1,3})W)?(?:(\d{1,4})D)?(?:T(?:(\d{1,4})H)?(?:(\d{1,4})M)?(?:\d{1,4}S)?)?")
# A name of the database of time zones, which is a path there: it leads nowhere else.
_ZONE: Final = re.compile(r"[A-Za-z_]{1,30}(?:/[A-Za-z0-9_+-]{1,30}){0,2}")


@dataclass(frozen=True, slots=True)
class Event:
    """An invitation as it is shown. ``when`` says its time in words, and ``moment`` is when it begins in µs, 0 where
    its time zone is not known. ``elsewhere`` says that its answer goes to nobody who wrote the message."""

    invitation: Invitation
    when: str
    moment: int
    elsewhere: bool


@dataclass(frozen=True, slots=True)
class Answering:
    """What the user has answered, and the id of the letter that their next answer would be."""

    answered: Answered | None
    draft: str


def events(visit: Visit, shown: Shown) -> tuple[Event, ...]:
    """Returns the invitations of a message, to be shown."""
    wrote = _keys([*shown.sender, *shown.reply_to])
    found = []
    for each in shown.invitations:
        words, moment = when(visit.language, each)
        found.append(Event(each, words, moment, elsewhere=not _keys([each.organizer]) & wrote))
    return tuple(found)


def _keys(people: Sequence[Person]) -> set[str]:
    found = set()
    for each in people:
        try:
            found.add(parse(each.address).key)
        except BadAddress:
            continue
    return found


async def answering(visit: Visit, shown: Shown) -> list[Answering | None]:
    """Returns for each invitation of a message how it can be answered; None where it cannot."""
    found: list[Answering | None] = []
    for each in shown.invitations:
        if not each.invited:
            found.append(None)
            continue
        work = partial(invitation_answers.find, account=visit.user.id, event=_event(each))
        answered = await visit.services.control.store.read(work)
        found.append(Answering(answered, identifier.show(visit.services.desk.new_id())))
    return found


def _event(each: Invitation) -> str:
    return invitation_answers.event_of(each.uid, each.recurrence)


async def send(
    visit: Visit, of: Message, shown: Shown, each: Invitation, answer: Answer, comment: str, draft: int
) -> list[Fault]:
    """Has an answer leave, and returns what is wrong with it; nothing is sent then.

    ``draft`` was given to the page, so that a second click sends no second letter. Raises DraftChanged for that, and
    Refused and Temporary.
    """
    desk, outbox, user = visit.services.desk, visit.services.outbox, visit.user
    store = visit.services.control.store
    summary = each.summary or visit.said("(no title)")
    who = user.name or each.invited
    said = [visit.said(_TEXTS[answer], who=who, summary=summary), when(visit.language, each)[0], comment]
    written = Written(
        sender=each.invited,
        to=each.organizer.address,
        subject=visit.said(SUBJECTS[answer], summary=summary),
        text="\n\n".join(filter(None, said)),
        in_reply_to=shown.message_id,
        references=composing.thread(shown.message_id, shown.references.split()),
        about=of.folder << UID_BITS | of.uid,
        how="reply",
        calendar=scheduling.reply(each, answer, comment=comment, time=store.clock.now()),
    )
    before = await store.read(partial(invitation_answers.find, account=user.id, event=_event(each)))
    made = await desk.create(user, written, draft)
    faults = await outbox.check(user, made, ())
    if faults:
        await desk.discard(user, made.id)
        return faults
    if before is not None and before.waits:
        await _withdraw(visit, before)
    await store.run(partial(invitation_answers.note, account=user.id, event=_event(each), draft=made.id, answer=answer))
    await outbox.send(user, made)
    return []


async def is_there(visit: Visit, about: int) -> bool:
    """Returns whether the message of an invitation is where it was answered."""
    folder, uid = about >> UID_BITS, about & (1 << UID_BITS) - 1
    return bool(await pages.listed(visit.services.control.store, folder, [uid]))


async def _withdraw(visit: Visit, before: Answered) -> None:
    """The answer that was given before, where it has not left: this one takes its place."""
    await visit.services.outbox.undo(visit.user, before.draft)
    with suppress(DraftChanged):  # it left meanwhile, or is gone
        await visit.services.desk.discard(visit.user, before.draft)


def when(language: Language, each: Invitation) -> tuple[str, int]:
    """Returns when an event is, in words, and its beginning in µs; 0 where nobody knows what its time zone means."""
    begins = _TIME.fullmatch(each.start)
    first = _day(begins[1]) if begins is not None else None
    if begins is None or first is None:
        return each.start, 0
    said = language.said
    if begins[2] is None:
        last = _last_day(first, each.end)
        days = dates.day(language, first)
        if last > first:
            days += f" – {dates.day(language, last)}"
        return said("%(days)s, all day", days=days), 0
    zone = begins[4] or ""
    start = datetime(first.year, first.month, first.day, min(int(begins[2]), 23), min(int(begins[3]), 59))
    clock = f"{start:%H:%M}"
    words = said("%(day)s, %(clock)s", day=dates.day(language, first), clock=clock)
    end, of_end = _end(start, each.end)
    if end is not None and of_end in (None, zone) and end > start:
        same = end.date() == start.date()
        words += f" – {end:%H:%M}" if same else f" – {dates.day(language, end.date())}, {end:%H:%M}"
    if zone == "UTC":
        return f"{words} UTC", _moment(start, UTC)
    if not zone:
        return said("%(time)s, by the clock of wherever it is", time=words), 0
    return said("%(time)s (time zone: %(zone)s)", time=words, zone=zone), _moment(start, _zone(zone))


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _last_day(first: date, end: str) -> date:
    """RFC 5545 §3.6.1: the end is not part of the event."""
    match = _TIME.fullmatch(end)
    last = _day(match[1]) if match is not None else None
    return last - timedelta(days=1) if last is not None and last > first else first


def _end(start: datetime, end: str) -> tuple[datetime | None, str | None]:
    """When it ends, and in which time zone; None: in that of its beginning."""
    match = _TIME.fullmatch(end)
    if match is not None and match[2] is not None and (last := _day(match[1])) is not None:
        moment = datetime(last.year, last.month, last.day, min(int(match[2]), 23), min(int(match[3]), 59))
        return moment, match[4] or ""
    lasts = _DURATION.fullmatch(end)
    if lasts is None:
        return None, None
    weeks, days, hours, minutes = (int(each or 0) for each in lasts.groups())
    try:
        return start + timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes), None
    except OverflowError:
        return None, None


def _zone(name: str) -> ZoneInfo | None:
    if not _ZONE.fullmatch(name):
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _moment(start: datetime, zone: tzinfo | None) -> int:
    if zone is None:
        return 0
    try:
        return max(int(start.replace(tzinfo=zone).timestamp()), 0) * SECOND
    except (OverflowError, ValueError):
        return 0
