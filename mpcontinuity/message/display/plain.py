"""Plain text as its reader sees it: paragraphs that flow (RFC 3676), levels of what is quoted, and links."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import escape
from itertools import chain, groupby
from typing import Final, NamedTuple

from mpcontinuity.message.display import links

LONGEST: Final = 512 * 1024  # characters that are shown; the rest is in the original
MOST_BLOCKS: Final = 2_000  # changes of the level of what is quoted that are shown
DEEPEST: Final = 10  # levels that are told apart
_QUOTED = re.compile(r"(?:> ?){1,100}+")
SIGNATURE: Final = "-- "  # the line above a signature (RFC 3676 §4.3)


class Line(NamedTuple):
    """One line, or a paragraph that flows. ``level`` is how many times it was quoted."""

    level: int
    text: str


def lines(text: str, *, flowed: bool = False, joined: bool = False) -> Iterator[Line]:
    """Yields the lines of a text; with ``flowed`` those that belong together as one (RFC 3676 §4.2).

    ``joined`` is the parameter DelSp: the blank at the end of a line that flows is no part of the text.
    """
    held: Line | None = None
    pieces: list[str] = []
    for each in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        level, content = _level(each, flowed)
        if held is not None and (level != held.level or content == SIGNATURE):
            yield Line(held.level, "".join(pieces))
            held, pieces = None, []
        if not flowed or content == SIGNATURE or not content.endswith(" "):
            pieces.append(content)
            yield Line(level, "".join(pieces))
            held, pieces = None, []
        else:
            pieces.append(content[:-1] if joined else content)
            held = Line(level, "")
    if held is not None:
        yield Line(held.level, "".join(pieces))


def _level(line: str, flowed: bool) -> tuple[int, str]:
    if flowed:
        content = line.lstrip(">") if line.startswith(">") else line
        level = len(line) - len(content)
        return level, content.removeprefix(" ")  # space-stuffing, §4.4
    found = _QUOTED.match(line)
    return (found[0].count(">"), line[found.end() :]) if found else (0, line)


def as_html(text: Iterable[Line]) -> str:
    """Returns the lines as HTML: what is quoted in blocks, links as links, all else as text.

    A link may lead to ``mailto:``; sanitised.py makes of it what it makes of those of others.
    """
    written: list[str] = []
    level = 0
    rest = iter(text)
    for blocks, (wanted, group) in enumerate(groupby(rest, key=lambda line: min(line.level, DEEPEST)), 1):
        if blocks > MOST_BLOCKS:
            marked = [f"{'>' * line.level} {line.text}" for line in chain(group, rest)]
            written.append(_block("\n".join(marked)))
            break
        written.append("</blockquote>" * (level - wanted) + "<blockquote>" * (wanted - level))
        level = wanted
        written.append(_block("\n".join([line.text for line in group])))
    written.append("</blockquote>" * level)
    return "".join(written)


def _block(text: str) -> str:
    return f'<div class="mpc-text">{linked(text)}</div>'


def linked(text: str) -> str:
    """Returns the text as HTML, with a link for each address of the web or of a person."""
    written: list[str] = []
    at = 0
    for start, end, where in links.find(text):
        written.append(escape(text[at:start]))
        written.append(f'<a href="{escape(where)}">{escape(text[start:end])}</a>')
        at = end
    written.append(escape(text[at:]))
    return "".join(written)


def quoted(text: str) -> str:
    """Returns the text as a reply quotes it: each line with one more ``>`` (RFC 3676 §4.5)."""
    return "\n".join([f">{line}" if line.startswith(">") else f"> {line}".rstrip() for line in text.splitlines()])
