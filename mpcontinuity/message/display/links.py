"""Finds what is a link in plain text: addresses of the web and of people, in one pass."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

LONGEST: Final = 2_000  # characters of a link
MOST: Final = 1_000  # links in one text; what follows is text

# A search begins at a literal, or where a run of letters begins, and gives nothing back of what it took.
_FOUND = re.compile(
    r"(?<![\w.+-])(?:(https?://|www\.)[^\s<>\"\x00-\x1f\x7f]{1,2000}+"
    r"|[A-Za-z0-9._+-]{1,64}+@(?:[A-Za-z0-9-]{1,63}+\.){1,8}[A-Za-z]{2,24}+)",
    re.IGNORECASE,
)
_BEHIND: Final = ".,;:!?'*_~|"  # signs that end a sentence, not a link
_PAIRS: Final = {")": "(", "]": "[", "}": "{"}


def find(text: str) -> Iterator[tuple[int, int, str]]:
    """Yields where each link in a text begins and ends, and where it leads: ``https://…``, ``http://…``,
    ``mailto:…``."""
    count = 0
    for match in _FOUND.finditer(text):
        count += 1
        if count > MOST:
            return
        start, end = match.start(), match.start() + len(_trimmed(match[0]))
        what = text[start:end]
        scheme = (match[1] or "").lower()
        if scheme and len(what) <= len(scheme):
            continue
        if scheme.startswith("http"):
            yield start, end, scheme + what[len(scheme) :]
        else:
            yield start, end, f"http://{what}" if scheme else f"mailto:{what}"


def _trimmed(link: str) -> str:
    """Without what belongs to the sentence around it: ``(see https://a.example/b_(c))``."""
    counts = {sign: link.count(sign) for pair in _PAIRS.items() for sign in pair}
    end = len(link)
    while end:
        last = link[end - 1]
        if last in _PAIRS and counts[last] > counts[_PAIRS[last]]:
            counts[last] -= 1
        elif last not in _BEHIND:
            break
        end -= 1
    return link[:end]
