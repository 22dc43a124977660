"""The lines in words that stand on every page: whether continuity is at work, what becomes of the user's mail, and
whether their vacation text is on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import msgspec

from mpcontinuity.access.webmail import dates
from mpcontinuity.accounts.vacation import IN_CONTINUITY, OFF, Vacation
from mpcontinuity.control.bulletin import Bulletin
from mpcontinuity.model.clock import HOUR, MINUTE, SECOND, iso
from mpcontinuity.web.languages import Language, marked


class Piece(msgspec.Struct, frozen=True):
    """A piece of what is said: words, or a time, which is ``at`` in full by ISO 8601, so that a browser can say it by
    the clock of whoever reads it."""

    text: str
    at: str = ""


@dataclass(frozen=True, slots=True)
class Sentence:
    """What is said, and how it looks: ``warning`` while continuity is at work, ``done`` when all is over.

    ``first`` says the main thing; ``rest``, which a small screen hides at first, may be empty.
    """

    first: tuple[Piece, ...]
    rest: tuple[Piece, ...]
    kind: Literal["warning", "hint", "done", "error"]

    @property
    def text(self) -> str:
        """All of it."""
        return " ".join("".join(piece.text for piece in each) for each in (self.first, self.rest) if each)


def sentence(language: Language, told: Bulletin) -> Sentence | None:
    """Returns what the user is told; None where there is nothing to say."""
    if told.phase == "active":
        return _of(_active(language, told), "hint" if told.cause == "opted in" else "warning")
    if told.phase == "returning":
        return _of(_returning(language, told), "error" if told.missing else "hint")
    if told.phase == "returned":
        return _of(_returned(language, told), "error" if told.missing else "done")
    return None


def _of(said: Iterator[str | tuple[Piece, ...]], kind: Literal["warning", "hint", "done", "error"]) -> Sentence:
    first, *others = [(Piece(each),) if isinstance(each, str) else each for each in said]
    rest = [piece for each in others for piece in (Piece(" "), *each)]
    return Sentence(first, tuple(rest[1:]), kind)


def _timed(language: Language, text: str, **times: int) -> tuple[Piece, ...]:
    """A text with times in µs in it, by their names."""
    parts = language.said(text, **{name: name.join(("\0", "\0")) for name in times}).split("\0")
    return tuple(
        Piece(dates.full(language, times[part]), iso(times[part])) if at % 2 else Piece(part)
        for at, part in enumerate(parts)
        if part
    )


def absence(language: Language, vacation: Vacation, now: int) -> str:
    """Returns what is said of a vacation text that is on, or will be; empty where it is off, or over by ``now``."""
    if vacation.when == OFF or vacation.over(now):
        return ""
    if vacation.begins > now:
        said = language.said("Your vacation text will be on from %(time)s.", time=dates.full(language, vacation.begins))
    elif vacation.ends:
        last = datetime.fromtimestamp((vacation.ends - 1) // SECOND, UTC)  # as it was typed: the end is the next 0:00
        said = language.said(
            "Your vacation text is on until %(day)s, this day included.", day=dates.day(language, last)
        )
    else:
        said = language.said("Your vacation text is on.")
    if vacation.when == IN_CONTINUITY:
        only = language.said("It answers only what comes here because your usual mail server does not take it.")
        return f"{said} {only}"
    return said


def _active(language: Language, told: Bulletin) -> Iterator[str | tuple[Piece, ...]]:
    said = language.said
    if told.cause == "opted in":
        yield said("Your mail comes to your usual mailbox and is copied here as well, because you chose so.")
        return
    if told.cause == "drill":
        yield said("This is an exercise: for a few users an outage is played, on purpose and on live mail.")
    elif told.cause == "contained":
        yield said("Your usual mail server was cut off on purpose, to keep harm away.")
    elif told.cause == "declared":
        yield said("Your usual mail server is out of use for planned work or by decision of your administrators.")
    else:
        yield said("Your usual mail server does not answer.")
    if told.since:
        yield _timed(language, marked("Since %(time)s your mail comes here."), time=told.since)
    else:
        yield said("Your mail comes here.")
    if told.until:
        yield _timed(language, marked("This is to end on %(time)s."), time=told.until)
    yield said("Read and write as always: senders notice nothing.")
    if told.waiting:
        yield language.counted(
            "%(number)d message will go back to your usual mailbox.",
            "%(number)d messages will go back to your usual mailbox.",
            told.waiting,
        )
    else:
        yield said("All that comes will go back to your usual mailbox.")


def _returning(language: Language, told: Bulletin) -> Iterator[str | tuple[Piece, ...]]:
    yield language.said("Your usual mail server takes mail again.")
    yield language.counted(
        "%(number)d message is still on its way there.",
        "%(number)d messages are still on their way there.",
        told.waiting,
    )
    if told.lasts is not None:
        yield _span(language, told.lasts)
    yield from _missing(language, told)


def _returned(language: Language, told: Bulletin) -> Iterator[str | tuple[Piece, ...]]:
    yield _timed(
        language,
        marked("The outage is over: it lasted from %(began)s until %(ended)s."),
        began=told.since,
        ended=told.ended,
    )
    sums = told.sums
    if not sums.taken_in:
        yield language.said("No mail came for you meanwhile.")
    elif sums.delivered == sums.taken_in:
        yield language.counted(
            "The one message of that time, received or sent, went back to your usual mailbox.",
            "All %(number)d messages of that time, received and sent, went back to your usual mailbox.",
            sums.delivered,
        )
    else:
        yield language.counted(
            "%(number)d message went back to your usual mailbox.",
            "%(number)d messages went back to your usual mailbox.",
            sums.delivered,
        )
    if sums.deleted:
        yield language.counted(
            "%(number)d that you deleted stays deleted.", "%(number)d that you deleted stay deleted.", sums.deleted
        )
    refused = sums.failed + sums.expired + sums.released
    if refused:
        yield language.counted(
            "%(number)d was not taken by your usual mail server, and is kept here.",
            "%(number)d were not taken by your usual mail server, and are kept here.",
            refused,
        )
    if sums.taken_in or told.missing:
        yield from _missing(language, told)


def _missing(language: Language, told: Bulletin) -> Iterator[str]:
    if told.missing > 0:
        yield language.counted(
            "%(number)d message is missing in the books: tell your administrators.",
            "%(number)d messages are missing in the books: tell your administrators.",
            told.missing,
        )
    else:
        yield language.said("0 are missing.")


def _span(language: Language, lasts: int) -> str:
    if lasts < 90 * MINUTE:
        minutes = max(round(lasts / MINUTE), 1)
        return language.counted(
            "At the present pace that takes %(number)d minute more.",
            "At the present pace that takes %(number)d minutes more.",
            minutes,
        )
    return language.counted(
        "At the present pace that takes %(number)d hour more.",
        "At the present pace that takes %(number)d hours more.",
        round(lasts / HOUR),
    )
