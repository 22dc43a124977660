"""Letters with more marks upon each other than any script has: browsers take seconds to put them there."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MOST: Final = 8  # marks upon one letter that are kept
_MARK: Final = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u06d6-\u06dc\u0e31-\u0e3a\u0e47-\u0e4e"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f"
)
_TOO_MANY = re.compile(f"(?<=[{_MARK}]{{{MOST}}})[{_MARK}]++")
_REFERENCE = re.compile(r"&#(?:[xX]([0-9a-fA-F]{2,6})|([0-9]{2,7}));?")


def thinned(text: str) -> str:
    """Returns the text with no more than `MOST` marks upon one letter."""
    return text if text.isascii() else _TOO_MANY.sub("", text)


def resolved(html: str) -> str:
    """Returns the HTML with marks as they are, where they were written by their numbers; other references stay."""
    return _REFERENCE.sub(_mark, html) if "&#" in html else html


def _mark(match: re.Match[str]) -> str:
    number = int(match[1], 16) if match[1] else int(match[2])
    character = chr(number) if 0x300 <= number <= 0x10FFFF else ""
    return character if character and unicodedata.combining(character) else match[0]
