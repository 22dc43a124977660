"""What an answer, and a message that is forwarded, begin with: to whom, by which address, and what is quoted."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from html import escape
from typing import Any, Final, Protocol

import msgspec

from mpcontinuity.mailbox.drafts import Written
from mpcontinuity.message import composing
from mpcontinuity.message.composing import Correspondent
from mpcontinuity.message.display import plain
from mpcontinuity.model.address import Address
from mpcontinuity.model.texts import marked
from mpcontinuity.writing.composition import Quote

LONGEST_QUOTED: Final = 200_000  # characters: more is read where it was written

_ANSWER = re.compile(r"(?:re|aw|antw|sv|rif|odp|vs)(?:\[\d{1,3}\])?:\s*+", re.IGNORECASE)
_FORWARDED = re.compile(r"(?:fwd?|wg|tr|rv|i)(?:\[\d{1,3}\])?:\s*+", re.IGNORECASE)

Own = Callable[[Address], bool]


class Say(Protocol):
    """Says a marked text in the language of whoever writes, with values put in by name."""

    def __call__(self, text: str, /, **values: Any) -> str: ...


_WROTE: Final = marked("On %(date)s, %(who)s wrote:")
_WROTE_ONCE: Final = marked("%(who)s wrote:")
_FORWARD_BEGINS: Final = marked("Forwarded message")
_FROM: Final = marked("From: %(people)s")
_DATE: Final = marked("Date: %(date)s")
_SUBJECT: Final = marked("Subject: %(subject)s")
_TO: Final = marked("To: %(people)s")
_CC: Final = marked("Cc: %(people)s")


class Original(msgspec.Struct, frozen=True):
    """A message that is answered or forwarded.

    ``entry`` is mailbox << 32 | uid. ``more`` is how many recipients are not among ``to`` and ``cc``. ``sent`` is its
    date as people read it. ``references`` are ids of messages, and ``message_id`` is its own, with angle brackets.
    """

    entry: int
    subject: str
    sender: Sequence[Correspondent]
    reply_to: Sequence[Correspondent]
    to: Sequence[Correspondent]
    cc: Sequence[Correspondent]
    message_id: str
    references: Sequence[str]
    sent: str
    text: str
    more: int = 0


def reply(original: Original, own: Own, say: Say, *, everybody: bool) -> Written:
    """Returns an answer to whoever sent a message, or to ``everybody`` it was for.

    Who answers a message of their own writes to those whom it was for. ``own`` tells the user's addresses. How many are
    left out, since they are not known, says `left_out`. ``say`` has the language of what stands above the quote.
    """
    by_user = any(own(one.address) for one in original.sender)
    if by_user:
        to, cc = list(original.to), list(original.cc) if everybody else []
    else:
        to, cc = list(original.reply_to or original.sender), []
        if everybody:
            cc = [*original.to, *original.cc]
    known = {one.address.key for one in to}
    cc = [one for one in _each_once(cc) if one.address.key not in known and not own(one.address)]
    return Written(
        sender=written_to(original, own),
        to=composing.listed(to),
        cc=composing.listed(cc),
        subject=answered(original.subject),
        text=f"\n\n{_answered_text(original, say)}\n",
        in_reply_to=original.message_id,
        references=composing.thread(original.message_id, original.references),
        about=original.entry,
        how="reply",
    )


def left_out(original: Original, own: Own, *, everybody: bool) -> int:
    """Returns how many people an answer would be for who are not among those of `reply`: nobody is to be left out
    without a word."""
    by_user = any(own(one.address) for one in original.sender)
    return original.more if by_user or everybody else 0


def forward(original: Original, own: Own, say: Say, *, enclosed: bool) -> Written:
    """Returns a message that forwards another one, whose text is quoted unless it is ``enclosed`` as a file."""
    return Written(
        sender=written_to(original, own),
        subject=forwarded(original.subject),
        text="" if enclosed else f"\n\n{_forwarded_text(original, say)}\n",
        references=composing.thread(original.message_id, original.references),
        about=original.entry,
        how="forward",
    )


def quote(original: Original, html: str, how: str, say: Say) -> Quote:
    """Returns what a letter with formatting quotes of a message: ``html`` is what that says, and can do nothing.

    ``how`` is ``reply`` or ``forward``. Nothing of it covers the letter's own text: what is wider than its place is cut
    off there.
    """
    if how == "forward":
        lines = "<br>".join(map(escape, _forwarded_header(original, say)))
        return Quote(f'<div>{lines}</div><br><div style="overflow:hidden">{html}</div>', _forwarded_text(original, say))
    bar = "overflow:hidden;margin:0 0 0 0.8ex;border-left:2px solid #8a8fa3;padding-left:1ex"
    begins = escape(_answered_begins(original, say))
    whole = f'<div>{begins}</div><blockquote type="cite" style="{bar}">{html}</blockquote>'
    return Quote(whole, _answered_text(original, say))


def _answered_begins(original: Original, say: Say) -> str:
    who = next((one.name or one.address.text for one in original.sender), "")
    return say(_WROTE, date=original.sent, who=who) if original.sent else say(_WROTE_ONCE, who=who)


def _answered_text(original: Original, say: Say) -> str:
    return f"{_answered_begins(original, say)}\n{plain.quoted(original.text[:LONGEST_QUOTED])}"


def _forwarded_header(original: Original, say: Say) -> list[str]:
    """Lines that say what follows."""
    sender, to, cc = (composing.listed(each) for each in (original.sender, original.to, original.cc))
    lines = (
        sender and say(_FROM, people=sender),
        original.sent and say(_DATE, date=original.sent),
        original.subject and say(_SUBJECT, subject=original.subject),
        to and say(_TO, people=to),
        cc and say(_CC, people=cc),
    )
    return [f"{_HYPHENS} {say(_FORWARD_BEGINS)} {_HYPHENS}", *filter(None, lines)]


_HYPHENS: Final = "-" * 10


def _forwarded_text(original: Original, say: Say) -> str:
    header = "\n".join(_forwarded_header(original, say))
    return f"{header}\n\n{original.text[:LONGEST_QUOTED]}"


def written_to(original: Original, own: Own) -> str:
    """Returns the address of the user that a message was written to, or by which they wrote it; empty: none of them."""
    people = (*original.sender, *original.to, *original.cc)
    return next((one.address.text for one in people if own(one.address)), "")


def answered(subject: str) -> str:
    """Returns the subject of an answer, which says once that it is one."""
    while (match := _ANSWER.match(subject)) is not None:
        subject = subject[match.end() :]
    return f"Re: {subject}"


def forwarded(subject: str) -> str:
    """Returns the subject of a message that is forwarded, which says once that it is."""
    match = _FORWARDED.match(subject)
    return f"Fwd: {subject[match.end() :] if match else subject}"


def _each_once(people: Sequence[Correspondent]) -> list[Correspondent]:
    return list({one.address.key: one for one in reversed(people)}.values())[::-1]
