"""The text of HTML, with its lines: what a reply quotes, and what is shown where the HTML itself cannot be."""

from __future__ import annotations

import re
from html import unescape
from typing import Final

from mpcontinuity.message.markup import HIDDEN, INLINE

LONGEST: Final = 512 * 1024  # characters of text that come out of it
_NAME = re.compile(r"[/!?]?([A-Za-z][A-Za-z0-9]{0,15})?")
_BLANKS = re.compile(r"[ \t\r\n\f]++")
_APART: Final = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote", "pre", "dl"})
_LISTS: Final = frozenset({"ul", "ol"})
_CELLS: Final = frozenset({"td", "th"})
_GONE: Final = frozenset({*HIDDEN, "title", "template", "head"})
_DEEPEST: Final = 10  # levels of what is quoted


def text_of(html: str) -> str:
    """Returns the text of HTML in lines: blocks are apart, items of lists and levels of quotes are marked. Never
    raises, and takes time in proportion to the HTML."""
    writer = _Writer()
    lower = ""
    at = 0
    while (start := html.find("<", at)) >= 0 and writer.room > 0:
        writer.text(html[at:start])
        named = _NAME.match(html, start + 1)
        assert named is not None
        if not named[0]:
            writer.text("<")
            at = start + 1
            continue
        name = (named[1] or "").lower()
        if html.startswith("!--", start + 1):
            at = _behind(html, "-->", start + 4)
            continue
        at = _behind(html, ">", start + 1)
        closes = named[0][0] == "/"
        if name in _GONE and name != "head" and not closes:
            lower = lower or html.lower()
            at = _behind(html, ">", _behind(lower, f"</{name}", at))
        writer.tag(name, closes)
    writer.text(html[at:])
    return writer.finished()


def _behind(text: str, what: str, start: int) -> int:
    found = text.find(what, start)
    return found + len(what) if found >= 0 else len(text)


class _Writer:
    def __init__(self) -> None:
        self.room = LONGEST
        self._lines: list[str] = []
        self._line: list[str] = []
        self._level = self._last = 0  # of this line, and of the one before
        self._wants_blank = False
        self._lists: list[int] = []  # of each list that is open the number of its last item; -1: it has none

    def text(self, raw: str) -> None:
        if raw and self.room > 0:
            self.room -= len(raw)
            self._line.append(_BLANKS.sub(" ", unescape(raw.replace("&nbsp;", " "))))

    def tag(self, name: str, closes: bool) -> None:
        if name == "br":
            self._end(forced=True)
        elif name == "li" and not closes:
            self._end()
            self._line.append(self._item())
        elif name == "hr":
            self._end()
            self._line.append("-" * 20)
            self._end()
        elif name in _CELLS:
            self._line.append(" ")
        elif name and name not in INLINE:
            self._end()
            if name == "blockquote":
                self._level = max(self._level - 1, 0) if closes else min(self._level + 1, _DEEPEST)
            elif name in _LISTS:
                self._list(name, closes)
            self._wants_blank = self._wants_blank or name in _APART

    def _list(self, name: str, closes: bool) -> None:
        if not closes:
            self._lists.append(0 if name == "ol" else -1)
        elif self._lists:
            self._lists.pop()

    def _item(self) -> str:
        """What an item of a list begins with."""
        if not self._lists or self._lists[-1] < 0:
            return "- "
        self._lists[-1] += 1
        return f"{self._lists[-1]}. "

    def _end(self, *, forced: bool = False) -> None:
        text = _BLANKS.sub(" ", "".join(self._line)).strip()
        self._line = []
        if not text and not forced:
            return
        if self._wants_blank and self._lines and self._lines[-1].strip("> "):
            self._lines.append(">" * min(self._level, self._last))
        self._wants_blank = False
        self.room -= len(text) + self._level + 1
        self._lines.append(f"{'>' * self._level} {text}".rstrip() if self._level else text)
        self._last = self._level

    def finished(self) -> str:
        self._end()
        return "\n".join(self._lines).strip("\n")
