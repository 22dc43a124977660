"""The work of a reader process (children/): it is fed with a message, and says what is shown of it."""

from __future__ import annotations

import mmap
from typing import Final

import msgspec

from mpcontinuity.message.display import show
from mpcontinuity.message.display.shown import Header, Shown, Wanted

KIND: Final = "mpcontinuity.message.display.work"
SHOW: Final = b"show"
HEADER: Final = b"header"

_wanted = msgspec.msgpack.Decoder(Wanted)
_encode = msgspec.msgpack.Encoder().encode
as_shown = msgspec.msgpack.Decoder(Shown).decode
as_header = msgspec.msgpack.Decoder(list[Header]).decode


def argument(wanted: Wanted) -> bytes:
    """Returns what the work is begun with."""
    return _encode(wanted)


class Work:
    """One message. It is kept in memory of its own that is as long as the message, and no copy is made of it."""

    def __init__(self, argument: bytes) -> None:
        self._asked = _wanted.decode(argument)
        self._content: mmap.mmap | None = mmap.mmap(-1, self._asked.length) if self._asked.length else None
        self._at = 0

    def feed(self, piece: bytes) -> bool:
        """Takes the next piece of the message. Raises ValueError for more than was said."""
        if self._content is None:
            return False
        self._content.write(piece)
        self._at += len(piece)
        return self._at < self._asked.length

    def ask(self, question: bytes) -> bytes:
        """Answers `SHOW` with a Shown, and `HEADER` with a list of Header. Raises ValueError for another question."""
        content = self._content if self._content is not None else b""
        if question == SHOW:
            return _encode(show.show(content, self._asked))
        if question == HEADER:
            return _encode(show.header(content))
        raise ValueError("no such question")
