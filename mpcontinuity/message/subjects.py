"""Base subjects (RFC 5256 §2.1): what a subject says, without what answers and forwards put around it."""

from __future__ import annotations

import re
from typing import Final

from mpcontinuity.message import encodedwords

_LONGEST: Final = 300  # characters that are looked at
_MAX_OCTETS: Final = 4 * _LONGEST

_SPACE = re.compile(r"\s+")
_TRAILER = re.compile(r"(?:\(fwd\)|\s)$", re.IGNORECASE)
_BLOB = re.compile(r"\[[^\[\]]*+\]\s*+")
_LEADER = re.compile(r"(?:\[[^\[\]]*+\]\s*+)*(?:re|fwd?+)\s*+(?:\[[^\[\]]*+\]\s*+)?:", re.IGNORECASE)


def base(value: bytes) -> tuple[str, bool]:
    """Returns the base of the value of a Subject field, with its case folded as servers compare it, and whether it is
    that of an answer or of a forwarded message."""
    text = _SPACE.sub(" ", encodedwords.text(value[:_MAX_OCTETS]))[:_LONGEST]
    answers = False
    while True:
        text, changed = _without_trailers(text)
        answers |= changed
        text, changed = _without_leaders(text)
        answers |= changed
        if not (text[:5].lower() == "[fwd:" and text.endswith("]")):
            return text.casefold(), answers
        text, answers = text[5:-1], True


def _without_trailers(text: str) -> tuple[str, bool]:
    changed = False
    while found := _TRAILER.search(text, max(len(text) - 5, 0)):
        changed |= len(found[0]) > 1
        text = text[: found.start()]
    return text, changed


def _without_leaders(text: str) -> tuple[str, bool]:
    changed = False
    while True:
        text = text.lstrip()
        if found := _LEADER.match(text):
            text, changed = text[found.end() :], True
        elif (found := _BLOB.match(text)) and found.end() < len(text):
            text = text[found.end() :]
        else:
            return text, changed
