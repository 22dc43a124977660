"""The work of a reader process (children/): it is fed with a message, and says what is shown of it."""

from __future__ import annotations

import encodings
import mmap
import pkgutil
from typing import Final

import msgspec

from mpcontinuity.message import charset
from mpcontinuity.message.display import composed, show
from mpcontinuity.message.display.composed import Composed
from mpcontinuity.message.display.shown import Header, Shown, Wanted
from mpcontinuity.message.fields import Content

KIND: Final = "mpcontinuity.message.display.work"
SHOW: Final = b"show"
HEADER: Final = b"header"
QUOTE: Final = b"quote"
LETTER: Final = b"letter"

_wanted = msgspec.msgpack.Decoder(Wanted)
_encode = msgspec.msgpack.Encoder().encode
as_shown = msgspec.msgpack.Decoder(Shown).decode
as_composed = msgspec.msgpack.Decoder(Composed).decode
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
        """Answers `SHOW` with a Shown, `HEADER` with a list of Header, and `QUOTE` with a Composed.

        So it answers `LETTER`, for which the content is HTML in UTF-8 and no message. Raises ValueError for another
        question.
        """
        content = self._whole()
        if question == SHOW:
            return _encode(show.show(content, self._asked))
        if question == HEADER:
            return _encode(show.header(content))
        if question == QUOTE:
            return _encode(composed.quoted(content, self._asked))
        if question == LETTER:
            return _encode(composed.composed(bytes(content).decode("utf-8", "replace")))
        raise ValueError("no such question")

    def _whole(self) -> Content:
        """What has come, which is less than was said where an encoding was undone."""
        if self._content is None or not self._at:
            return b""
        if self._at < len(self._content):
            try:
                self._content.resize(self._at)
            except (SystemError, OSError):  # no such call on this system
                return self._content[: self._at]
        return self._content


def rehearse() -> None:
    """Loads whatever is loaded when it is needed: afterwards a reader process can open no file."""
    for module in pkgutil.iter_modules(encodings.__path__):
        charset.decode(b'caf\xe9 \x82\xa0 \x1b$B$"\x1b(B \xa4\xa2', module.name)
    parts = (
        b"text/html\r\n\r\n<style>@media(max-width:1px){a{color:rgb(1,2,3)}}</style><p style='margin:0'>&auml;\xc3\xa4",
        b"text/calendar\r\n\r\nBEGIN:VEVENT\r\nDTSTART:20261130T120000Z\r\nEND:VEVENT",
        b"application/ms-tnef\r\nContent-Transfer-Encoding: base64\r\n\r\neJ8+IgEA",
        b"image/png; name*=utf-8''a\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-ID: <a>\r\n\r\n=41",
        b"text/plain; format=flowed\r\n\r\n> http://a.example \r\n",
    )
    message = (
        b"From: =?utf-8?q?=C3=A4?= <a@xn--4ca.example>\r\nDate: Mon, 30 Nov 2026 10:00:00 +0100\r\n"
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    ) + b"".join(b"--b\r\nContent-Type: %b\r\n" % part for part in parts)
    work = Work(argument(Wanted(len(message), "/images/a", domains=("example.org",))))
    work.feed(message)
    as_shown(work.ask(SHOW))
    as_header(work.ask(HEADER))
    as_composed(work.ask(QUOTE))
    html = b"<p style='margin:0'>&auml;<a href='mailto:a@b.example'>a</a><img src='cid:a'>"
    letter = Work(argument(Wanted(len(html))))
    letter.feed(html)
    as_composed(letter.ask(LETTER))
