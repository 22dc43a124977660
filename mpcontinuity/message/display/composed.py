"""HTML that a user has written, or quotes of what they were written, as a letter takes it to others.

It is judged as strangers' HTML is (sanitised.py): what was typed comes from a browser, and what was pasted there from
anywhere. Less is left of it, since it is to look the same in whatever reads it: no style sheet, no name or class that a
style sheet could know, no picture but those that the letter brings along. Links stay as they are. nh3 comes last.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import Final
from urllib.parse import unquote

import msgspec
import nh3

from mpcontinuity.message import text
from mpcontinuity.message.display import htmltext, marks, plain, show
from mpcontinuity.message.display.choosing import choose
from mpcontinuity.message.display.css import Sheet
from mpcontinuity.message.display.sanitised import (
    ATTRIBUTES,
    BODY,
    CALL,
    GONE,
    IGNORED,
    LONGEST,
    LONGEST_LINK,
    NUMBER,
    NUMBERS,
    TAGS,
    WEB,
    WORDS,
    TooMuch,
    check,
)
from mpcontinuity.message.display.shown import Attachment, Wanted
from mpcontinuity.message.fields import Content
from mpcontinuity.message.structure import scan

# What a style sheet finds an element by: a letter has none, and that of whoever shows it is none of the writer's.
_NAMES: Final = frozenset({"class", "id"})
_ATTRIBUTES: Final = {
    **{tag: set(names - _NAMES) for tag, names in ATTRIBUTES.items()},
    "blockquote": {"type"},
}
_CONTENT_ID: Final = re.compile(r"[A-Za-z0-9.@_+-]{1,200}")  # as writing/ gives them
_MAIL: Final = re.compile(r"mailto:[^\s<>\"]{1,2000}", re.IGNORECASE)
# The line before a signature has a blank at its end (RFC 3676 §4.3), of which HTML knows nothing.
_SIGNATURE: Final = re.compile(r"^--$", re.MULTILINE)
_LINK: Final = re.compile(r'<a href="([^"<]{0,4096})"[^<>]{0,1000}>([^<]{0,1000})</a>')


class Composed(msgspec.Struct, frozen=True):
    """A text of a letter in both of its forms; ``html`` can do nothing. ``too_much`` says that it is more than browsers
    show quickly: then there is nothing of it.
    """

    html: str = ""
    text: str = ""
    too_much: bool = False


def composed(html: str) -> Composed:
    """Returns what a user has typed as it may be kept and sent, with the plain text of it. Never raises."""
    try:
        cleaned = _clean(html, _own_picture)
    except TooMuch:
        return Composed(too_much=True)
    return Composed(cleaned, text_of(cleaned))


def text_of(html: str) -> str:
    """Returns the plain text of HTML that is composed. A link says where it leads, where its text does not."""
    return _SIGNATURE.sub("-- ", htmltext.text_of(_LINK.sub(_said, html)))


def _said(found: re.Match[str]) -> str:
    href, said = found[1], found[2]
    shown = said.strip().removesuffix("/")
    if not shown or shown in href:
        return said
    return f"{said} &lt;{href.removeprefix('mailto:')}&gt;"


def quoted(content: Content, wanted: Wanted) -> Composed:
    """Returns what a message says, to be quoted in a letter. Never raises.

    ``wanted.images`` is what the Content-IDs of its pictures end with in the letter: `content_id` makes them. What is
    more than browsers show quickly is quoted as text.
    """
    shown = show.show(content, msgspec.structs.replace(wanted, images="", remote=False, plain=True))
    images = {
        each.content_id: f"cid:{content_id(each, wanted.images)}"
        for each in reversed(shown.attachments)  # of the same id the first counts
        if each.content_id and each.kind in show.PICTURES
    }
    try:
        html = "<hr>".join(_quoted(content, images))
    except TooMuch:
        html = _as_html(shown.text)
    return Composed(html, shown.text)


def content_id(picture: Attachment, ends: str) -> str:
    """Returns by what the letter that quotes a message names a picture of it."""
    return f"{picture.path}.{ends}"


def _quoted(content: Content, images: Mapping[str, str]) -> Iterator[str]:
    room = LONGEST
    for each in choose(scan(content)).texts:
        part = each.html if each.html is not None else each.plain
        assert part is not None
        pieces: list[str] = []
        for piece in text.of_part(content, part):
            pieces.append(piece[:room])
            room -= len(pieces[-1])
            if room <= 0:
                break
        found = marks.thinned("".join(pieces))
        if each.html is None:
            yield _as_html(found)
        else:
            yield _clean(marks.resolved(found), lambda name: images.get(name))


def _as_html(found: str) -> str:
    lines = plain.lines(found.replace("\0", "\ufffd").replace("\r\n", "\n"))
    return "<br>".join(escape(f"{'>' * level} {line}" if level else line) for level, line in lines)


def _clean(html: str, picture: Callable[[str], str | None]) -> str:
    """``picture`` gives the source of what HTML names by a Content-ID. Raises TooMuch."""
    check(html)
    return nh3.clean(
        BODY.sub(r"<\1div", html),  # its colours are those that the text was written for
        tags=set(TAGS),
        clean_content_tags=set(GONE),
        attributes=_ATTRIBUTES,
        attribute_filter=_Filter(picture),
        strip_comments=True,
        link_rel=None,
        url_schemes={"http", "https", "mailto", "tel", "cid"},
    )


def _own_picture(name: str) -> str | None:
    return f"cid:{name}" if _CONTENT_ID.fullmatch(name) else None


class _Filter:
    """Says of each attribute of an element that is kept what it may be; None: it goes."""

    def __init__(self, picture: Callable[[str], str | None]) -> None:
        self._sheet = Sheet()
        self._picture = picture

    def __call__(self, tag: str, name: str, value: str) -> str | None:
        if name == "style":
            return self._sheet.style(value) or None
        if name == "href":
            return _link(value)
        if name == "src":
            value = value[:LONGEST_LINK].translate(IGNORED)
            return self._picture(unquote(value[4:])) if value[:4].lower() == "cid:" else None
        if name in NUMBERS:
            return value.strip() if NUMBER.fullmatch(value.strip()) else None
        if name in ("title", "alt"):
            return value[:500]
        return value if WORDS.fullmatch(value) else None


def _link(value: str) -> str | None:
    if len(value) > LONGEST_LINK:
        return None
    value = value.translate(IGNORED)
    return value if WEB.match(value) or CALL.fullmatch(value) or _MAIL.fullmatch(value) else None
