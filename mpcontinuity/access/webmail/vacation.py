"""The page where a user says what is answered in their name while they are away, when and by which words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import Final

from twisted.web import http

from mpcontinuity.access.webmail.signed_in import Visit, Webmail
from mpcontinuity.accounts import vacation
from mpcontinuity.accounts.vacation import ALWAYS, IN_CONTINUITY, LONGEST, LONGEST_SUBJECT, OFF, Vacation
from mpcontinuity.model.clock import DAY, SECOND
from mpcontinuity.queue.vacation import AGAIN
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.asked import Fields
from mpcontinuity.web.languages import marked
from mpcontinuity.web.routes import Route

VACATION: Final = "/settings/vacation"

_WHEN: Final = {"off": OFF, "continuity": IN_CONTINUITY, "always": ALWAYS}
_NO_CHOICE: Final = marked("Choose one of these.")
_TOO_LONG: Final = marked("It is too long: take at most %(most)d characters. These are %(number)d.")
_EMPTY: Final = marked("Say something, or turn the vacation text off.")
_NO_DAY: Final = marked("This is no day. Write it as year, month and day: 2026-12-24.")
_BACKWARDS: Final = marked("This is before the first day.")
_OVER: Final = marked("This day is over.")


def routes(webmail: Webmail) -> list[Route]:
    """Returns the routes of this page."""
    return [webmail.get(VACATION, show), webmail.post(VACATION, save)]


@dataclass(frozen=True, slots=True)
class _Typed:
    """What stands in the form. Days are as they are typed, and the last one is included."""

    when: str = "off"
    subject: str = ""
    text: str = ""
    first: str = ""
    last: str = ""


async def show(visit: Visit) -> Answer:
    """Shows the form."""
    found = await visit.services.control.store.read(partial(vacation.find, account=visit.user.id))
    when = next(name for name, value in _WHEN.items() if value == found.when)
    last = _day(found.ends - DAY) if found.ends else ""
    return await _page(visit, _Typed(when, found.subject, found.text, _day(found.begins), last))


async def save(visit: Visit) -> Answer:
    """Takes the form."""
    typed = _typed(visit.asked.form)
    errors = _errors(visit, typed)
    if errors:
        return await _page(visit, typed, http.BAD_REQUEST, errors)
    begins, ends = _begins(typed.first) or 0, _begins(typed.last)
    wanted = Vacation(
        when=_WHEN[typed.when],
        subject=typed.subject,
        text=typed.text,
        begins=begins,
        ends=ends + DAY if ends is not None else 0,
    )
    await visit.services.control.store.run(partial(vacation.save, user=visit.user, vacation=wanted))
    off = wanted.when == OFF
    if off:
        said = visit.said("Your vacation text is off.")
    elif begins > visit.now:
        said = visit.said("Your vacation text will be on from %(time)s.", time=visit.full(begins))
    else:
        said = visit.said("Your vacation text is on.")
    return await visit.done(said, VACATION)


def _typed(form: Fields) -> _Typed:
    return _Typed(
        when=form.get("when"),
        subject=" ".join(form.get("subject").split()),
        text=form.get("text").replace("\r\n", "\n").strip("\n").rstrip(),
        first=form.get("first").strip(),
        last=form.get("last").strip(),
    )


def _errors(visit: Visit, typed: _Typed) -> Mapping[str, str]:
    """What is wrong, by its field."""
    found: dict[str, str] = {}
    if typed.when not in _WHEN:
        found["when"] = visit.said(_NO_CHOICE)
    for name, text, most in (("subject", typed.subject, LONGEST_SUBJECT), ("text", typed.text, LONGEST)):
        if len(text) > most:
            found[name] = visit.said(_TOO_LONG, most=most, number=len(text))
    on = _WHEN.get(typed.when, OFF) != OFF
    if on and not typed.text.strip():
        found["text"] = visit.said(_EMPTY)
    first, last = (_begins(day) for day in (typed.first, typed.last))
    for name, day, begins in (("first", typed.first, first), ("last", typed.last, last)):
        if day and begins is None:
            found[name] = visit.said(_NO_DAY)
    if last is not None and first is not None and last < first:
        found["last"] = visit.said(_BACKWARDS)
    elif on and last is not None and last + DAY <= visit.now:
        found["last"] = visit.said(_OVER)
    return found


def _begins(day: str) -> int | None:
    """When a day begins, in µs, as browsers send it; None where it is none."""
    try:
        return int(datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC).timestamp()) * SECOND
    except ValueError:
        return None


def _day(time: int) -> str:
    return datetime.fromtimestamp(time // SECOND, UTC).date().isoformat() if time else ""


async def _page(visit: Visit, typed: _Typed, code: int = http.OK, errors: Mapping[str, str] | None = None) -> Answer:
    return await visit.render("vacation.html", code, typed=typed, errors=errors or {}, days=AGAIN // DAY)
