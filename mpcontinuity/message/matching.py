"""Looks for the texts of IMAP's SEARCH (RFC 9051 §6.4.4) in what people read of a message (message/text.py)."""

from __future__ import annotations

from collections.abc import Iterable

from mpcontinuity.message import fields, text
from mpcontinuity.message.fields import Content
from mpcontinuity.message.structure import scan


class Needle:
    """A text to look for, prepared once per SEARCH. An empty text is found wherever there is anything."""

    def __init__(self, wanted: str) -> None:
        self._wanted = text.folded(wanted)

    def in_header(self, content: Content, field: str) -> bool:
        """Returns whether a field of this name contains the text. ``content`` may be a message or its header alone."""
        name = field.lower().encode("utf-8", "replace")
        stop = fields.end(content, 0, len(content))
        return any(
            self._wanted in text.folded(shown)
            for value in fields.named(content, 0, stop if stop >= 0 else len(content), name)
            for shown in text.of_named(name, value)
        )

    def in_text(self, content: Content, headers: bool) -> bool:
        """Returns whether a text part contains the text, or, with ``headers``, a header of the message or of a part."""
        return any(map(self._in, text.of_message(content, scan(content), headers=headers)))

    def _in(self, pieces: Iterable[str]) -> bool:
        before = ""
        for piece in pieces:
            there = before + text.folded(piece)
            if self._wanted in there:
                return True
            before = there[max(len(there) - len(self._wanted), 0) :]
        return False
