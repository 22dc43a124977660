"""The text of HTML roughly as its reader sees it: enough to find words in it."""

from __future__ import annotations

import re
from html import unescape
from typing import Final

# Elements within a line: a word goes on across their tags. At all others it ends.
INLINE: Final = frozenset(
    re.findall(
        r"\w+",
        "a abbr b bdi bdo big cite code del dfn em font i ins kbd mark q s samp small span strike strong sub sup tt u"
        " var wbr",
    )
)
HIDDEN: Final = ("script", "style")
_NAME = re.compile(r"[/!?]?([A-Za-z][A-Za-z0-9]{0,15})?")


def readable(html: str) -> str:
    """Returns the text without tags, comments, scripts and styles, and with character references resolved. What is not
    closed goes on to the end. It takes time in proportion to the HTML, whatever that is. Never raises."""
    shown: list[str] = []
    at = 0
    lower = ""
    while (start := html.find("<", at)) >= 0:
        shown.append(html[at:start])
        named = _NAME.match(html, start + 1)
        assert named is not None
        if not named[0]:  # a sign between two numbers
            shown.append(" ")
            at = start + 1
            continue
        name = (named[1] or "").lower()
        if html.startswith("!--", start + 1):
            at = _behind(html, "-->", start + 4)
        else:
            at = _behind(html, ">", start + 1)
            if name in HIDDEN and named[0][0] != "/":
                lower = lower or html.lower()
                # Where lower case has another length, the end is found a little later or earlier than it is.
                at = _behind(html, ">", _behind(lower, f"</{name}", at))
        shown.append("" if name in INLINE else " ")
    shown.append(html[at:])
    return unescape("".join(shown))


def _behind(text: str, what: str, start: int) -> int:
    found = text.find(what, start)
    return found + len(what) if found >= 0 else len(text)
