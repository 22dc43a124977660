"""Readers of the archive's index: what is read of a message, and what people ask, of it and of webmail."""

from __future__ import annotations

import contextlib
from datetime import date

from mpcontinuity.access.webmail import question
from mpcontinuity.archive import document, query, words
from mpcontinuity.archive.document import Source
from mpcontinuity.message import markup
from mpcontinuity.model.errors import Refused
from tests.linear.reader import KIB, Reader


def _document(data: bytes) -> None:
    text = data[:500].decode("utf-8", "replace")
    source = Source(1, 1, 1, "inbound", text, (text,), text, text, len(data), len(data))
    document.terms(source, data)


def _words(data: bytes) -> None:
    words.words(data.decode("utf-8", "replace"))


def _markup(data: bytes) -> None:
    markup.readable(data.decode("utf-8", "replace"))


def _query(data: bytes) -> None:
    with contextlib.suppress(Refused):
        query.parse(data.decode("utf-8", "replace"), 1)


def _question(data: bytes) -> None:
    with contextlib.suppress(question.NotUnderstood):
        question.parse(data.decode("utf-8", "replace"), date(2026, 11, 30)).query()


_MULTIPART = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"

ARCHIVE = {
    "archived message": Reader(
        _document,
        (b"", b"From: ", b"To: a@b\r\n", _MULTIPART, b"Content-Type: text/html\r\n\r\n<p>"),
        (
            b"a@b, ",
            b"--b\r\n\r\na\r\n",
            b"--b\r\nContent-Disposition: attachment; filename=a.b\r\n\r\n",
            b"Content-Type: message/rfc822\r\n\r\n",
            b"<style>",
            b"\xc3\xa4 ",
        ),
    ),
    "words": Reader(
        _words,
        (b"",),
        (b"a", b"a ", b"\xc3\xa4", b"\xe6\x97\xa5", b"a\xcc\x81", b"\xcc\x81\xcc\x96", b"\xc2\xad", b"\xef\xb7\xba"),
        most=16 * KIB,
    ),
    "markup": Reader(
        _markup,
        (b"", b"<", b"<style>"),
        (b"<", b"<a", b"<!--", b"<style>", b"</style", b"<script ", b"&", b"&amp", b">"),
    ),
    "question": Reader(_question, (b"", b'"'), (b'"', b"a:", b"-", b'-from:"', b"after:1d ", b"a ", b'x" ')),
    "query": Reader(_query, (b"", b'"'), (b'"', b"a:", b"-", b'-a:"', b"since:1d ", b"a ", b'x" ')),
}
