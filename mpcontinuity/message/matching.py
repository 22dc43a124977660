"""SEARCH's substrings (RFC 9051 §6.4.4) in what the reader sees (message/text.py)."""

from __future__ import annotations

from collections.abc import Iterable

from mpcontinuity.message import fields, text
from mpcontinuity.message.fields import Content
from mpcontinuity.message.structure import scan


class Needle:
    """A text to look for, prepared once per SEARCH. An empty one is in everything that is there."""

    def __init__(self, wanted: str) -> None:
        self._wanted = text.folded(wanted)

    def in_header(self, content: Content, field: str) -> bool:
        """Whether a field of that name, in ``content``'s own header, contains it. ``content`` may be a header block."""
        name = field.lower().encode("utf-8", "replace")
        stop = fields.end(content, 0, len(content))
        return any(
            self._wanted in text.folded(shown)
            for value in fields.named(content, 0, stop if stop >= 0 else len(content), name)
            for shown in text.of_named(name, value)
        )

    def in_text(self, content: Content, headers: bool) -> bool:
        """Whether a text part contains it, or, with ``headers``, any header of the message or of a part of it."""
        return any(map(self._in, text.of_message(content, scan(content), headers=headers)))

    def _in(self, pieces: Iterable[str]) -> bool:
        before = ""
        for piece in pieces:
            there = before + text.folded(piece)
            if self._wanted in there:
                return True
            before = there[max(len(there) - len(self._wanted), 0) :]
        return False
