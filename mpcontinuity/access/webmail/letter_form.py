"""The form in which a user writes: read as it comes, with its files, and never lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from mpcontinuity.mailbox.drafts import Written
from mpcontinuity.model import identifier
from mpcontinuity.web.asked import Asked, Fields
from mpcontinuity.web.form import BadForm, read_form
from mpcontinuity.web.multipart import FileBegins, FileData, boundary_of, read_parts
from mpcontinuity.writing import composition

# Octets of all fields: what a letter may have, each character of it in twelve (a percent-encoded sign beyond ASCII).
LONGEST_FIELDS: Final = 12 * composition.LONGEST_TEXT + 1024 * 1024
# The same where nobody is signed in: a long letter, and what anybody may have this server hold. It is read in 20 ms.
LONGEST_OF_NOBODY: Final = 256 * 1024
_QUICK: Final = 128 * 1024  # octets of a form that the reactor may read; a larger one is read beside it
_MOST_REFERENCES: Final = 60
_LONGEST_REFERENCES: Final = 32 * 1024
_LINE_ENDS: Final = ("\r\n", "\n")

RICH: Final = "rich"  # the format of a letter with formatting, which a script has in hand
KEPT: Final = "kept"  # the same, of a page without one

TakeFile = Callable[[FileBegins, AsyncIterator[bytes]], Awaitable[None]]


@dataclass(slots=True)
class LetterForm:
    """What stands in the form.

    ``draft`` is the id of the draft, given to the page before the draft was saved for the first time; ``version`` is 0
    until then. ``action`` is the button that was pressed. ``enclose`` says what a new draft takes of another message:
    ``message 1.2`` or ``files 1.2`` (folder and UID); with ``draft 1.2`` it takes that one's place. With ``scripted`` a
    script had the text with formatting in hand; without one, its plain text could be changed in ``text``. ``below`` is
    how many of the last characters of the text are a quote, as scripts count them.
    """

    draft: int = 0
    version: int = 0
    action: str = ""
    enclose: str = ""
    scripted: bool = False
    below: int = 0
    written: Written = field(default_factory=Written)


def read_fields(fields: Fields) -> LetterForm:
    """Returns what the fields of a form say. What cannot be read is left out, since no field is typed by hand."""
    references = fields.get("references")[:_LONGEST_REFERENCES].split()[:_MOST_REFERENCES]
    how, format_ = fields.get("how"), fields.get("format")
    rich = format_ in (RICH, KEPT)
    written = Written(
        sender=fields.get("sender").strip(),
        to=fields.get("to"),
        cc=fields.get("cc"),
        bcc=fields.get("bcc"),
        subject=fields.get("subject"),
        text=fields.get("text").replace(*_LINE_ENDS),
        in_reply_to=fields.get("in_reply_to")[:1000].strip(),
        references=tuple(references),
        about=_number(fields.get("about")),
        how="reply" if how == "reply" else "forward" if how == "forward" else "",
        rich=rich,
        html=fields.get("html").replace(*_LINE_ENDS) if rich else "",
        original=fields.get("original").strip(),
        quoted=rich and fields.get("quote") == "whole",
    )
    return LetterForm(
        draft=id_of(fields.get("draft")),
        version=_number(fields.get("version")),
        action=fields.get("action")[:40],
        enclose=fields.get("enclose")[:60],
        scripted=format_ == RICH,
        written=composition.bounded(written),
    )


def id_of(text: str) -> int:
    """Returns an id as it stands in a path or a form; 0 where it is none."""
    try:
        return identifier.parse(text)
    except ValueError:
        return 0


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0


async def read_form_with_files(
    asked: Asked,
    begin: Callable[[Fields], Awaitable[TakeFile | None]],
    compute: Callable[[Callable[[], Fields]], Awaitable[Fields]],
    longest: int = LONGEST_FIELDS,
) -> Fields:
    """Returns the fields of the form that a browser sends, in either of its two types.

    ``begin`` is called with the fields before the first file, and returns what takes each file; None: they are passed
    over. ``compute`` reads beside the reactor, and ``longest`` bounds the octets of all fields. Raises BadForm, and
    what ``begin`` and the files raise.
    """
    assert asked.pieces is not None
    boundary = boundary_of(asked.header("content-type"))
    if not boundary:
        body = await _plain(asked, longest)
        return read_form(body) if len(body) <= _QUICK else await compute(partial(read_form, body))
    pairs: list[tuple[str, str]] = []
    parts = read_parts(asked.pieces, boundary, longest)
    take: TakeFile | None = None
    begun = False
    async for part in parts:
        if isinstance(part, tuple):
            pairs.append(part)
        elif isinstance(part, FileBegins):
            if not part.name:  # no file was chosen
                continue
            if not begun:
                take, begun = await begin(Fields(pairs)), True
            if take is not None:
                await take(part, _octets(parts))
    return Fields(pairs)


async def _octets(parts: AsyncIterator[object]) -> AsyncIterator[bytes]:
    """Of one file."""
    async for part in parts:
        assert isinstance(part, FileData)
        if part.data:
            yield part.data
        if part.last:
            return


async def _plain(asked: Asked, longest: int) -> bytes:
    assert asked.pieces is not None
    body = bytearray()
    async for piece in asked.pieces:
        body += piece
        if len(body) > longest:
            raise BadForm("the form is too long")
    return bytes(body)
