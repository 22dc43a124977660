"""Readers of what is shown of messages. Those of HTML and CSS run in processes that may die all the same."""

from __future__ import annotations

import contextlib
import struct

import msgspec

from mpcontinuity.access.webmail import invitations
from mpcontinuity.message import scheduling
from mpcontinuity.message.display import (
    composed,
    htmltext,
    invitation,
    links,
    marks,
    names,
    plain,
    spoofs,
    winmail,
    work,
)
from mpcontinuity.message.display.css import Sheet
from mpcontinuity.message.display.sanitised import TooMuch, sanitise
from mpcontinuity.message.display.show import header, show
from mpcontinuity.message.display.shown import Invitation, Person, Wanted
from mpcontinuity.message.display.unread import unread
from mpcontinuity.message.transfer import decoder
from mpcontinuity.web.languages import ENGLISH
from tests.linear.messages import small
from tests.linear.reader import KIB, Reader


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _show(data: bytes) -> None:
    show(data, Wanted(len(data), "/images/x", domains=("example.org",)))
    header(data)


def _work(data: bytes) -> None:
    each = work.Work(work.argument(Wanted(len(data))))
    for at in range(0, len(data), 500):
        each.feed(data[at : at + 500])
    each.ask(work.SHOW)


def _sanitise(data: bytes) -> None:
    with contextlib.suppress(TooMuch):
        sanitise(_text(data), images={})


def _composed(data: bytes) -> None:
    composed.composed(_text(data))
    composed.quoted(_HTML + data, Wanted(len(_HTML) + len(data), "a"))


def _css(data: bytes) -> None:
    Sheet().add(_text(data))


def _plain(data: bytes) -> None:
    for flowed in (False, True):
        plain.as_html(plain.lines(_text(data), flowed=flowed))
    plain.quoted(_text(data))


def _transfer(data: bytes) -> None:
    for encoding in ("base64", "quoted-printable", ""):
        for cut in (65_536, 500):
            undone = decoder(encoding)
            small(undone.feed, data, cut)
            undone.finish()


def _unread(data: bytes) -> None:
    unread(data, "busy")


def _marks(data: bytes) -> None:
    marks.thinned(marks.resolved(_text(data)))


def _links(data: bytes) -> None:
    list(links.find(_text(data)))


def _html_text(data: bytes) -> None:
    htmltext.text_of(_text(data))


def _invitation(data: bytes) -> None:
    invitation.read(_text(data), ["a@b.example", "c@d.example"])


def _answer(data: bytes) -> None:
    text = _text(data)
    scheduling.reply(_event(summary=text, place=text), "accepted", comment=text, time=0)


def _when(data: bytes) -> None:
    text = _text(data)
    for start in (text, "2026-12-01 12:00", f"2026-12-01 12:00 {text}"):
        invitations.when(ENGLISH, _event(start=start, end=text))


def _event(**values: str) -> Invitation:
    found = invitation.read("BEGIN:VEVENT\r\nUID:a\r\nEND:VEVENT\r\n")
    assert found is not None
    return msgspec.structs.replace(found, **values)


def _names(data: bytes) -> None:
    text = _text(data)
    names.disposition(names.file_name(text, "a/b", 1))
    names.unique([text[at : at + 20] for at in range(0, len(text), 20)])


def _spoofs(data: bytes) -> None:
    text = _text(data)
    person = Person(text, f"a@{text}")
    spoofs.warnings([person], [person], [("Subject", text)], ["example.org"], "")


_HTML = b"Content-Type: text/html\r\n\r\n"

DISPLAY = {
    "message shown": Reader(
        _show,
        (b"", _HTML, b"Content-Type: multipart/alternative; boundary=b\r\n\r\n", b"From: ", b"References: "),
        (b"--b\r\n\r\na\r\n", b"--b\r\nContent-Type: image/png\r\nContent-ID: <a>\r\n\r\n", b"<p>", b"> ", b"a@b, "),
        most=16 * KIB,
    ),
    "reader's work": Reader(_work, (_HTML,), (b"<p>a", b"<b>"), most=32 * KIB),
    "html": Reader(
        _sanitise,
        (b"", b"<", b"<style>", b"<p ", b"<table>", b"<svg>", b"<math>"),
        (
            b"<p>",
            b"<b>",
            b"</b>",
            b"<a href=x>",
            b"<td>",
            b"<!--",
            b"<style>",
            b"</style",
            b"&amp",
            b"<i><p>",
            b"a='b' ",
        ),
        most=32 * KIB,
    ),
    "html of letters": Reader(
        _composed,
        (b"", b"<", b"<style>", b"<p ", b"<table>", b"<svg>", b"<math>"),
        (
            b"<p>",
            b"<b>",
            b"</b>",
            b"<a href=x>",
            b"<td>",
            b"<!--",
            b"<style>",
            b"</style",
            b"&amp",
            b"<i><p>",
            b"a='b' ",
        ),
        most=16 * KIB,
    ),
    "css": Reader(
        _css,
        (b"", b"a{", b"@media ", b"a{color:"),
        (b"a{color:red}", b"a{}", b"@media a{", b"/*", b"*/", b"a,", b"\\a", b"url(", b"'", b"9", b"#", b"!"),
        most=6 * KIB,
    ),
    "plain text": Reader(
        _plain, (b"", b"> "), (b"> ", b">", b"a \r\n", b">a\r\na\r\n", b"http://a ", b"a@b.example "), most=24 * KIB
    ),
    "transfer encodings": Reader(_transfer, (b"",), (b"=", b"=41", b"=\r\n", b"= \r\n", b"AAA=", b"AAAA\r\n")),
    "first octets": Reader(_unread, (b"", b"\r\n\r\n"), (b"\r\n", b"<", b"&")),
    "marks": Reader(_marks, (b"", b"a"), (b"\xcc\x81", b"a\xcc\x81", b"&#769;", b"&#", b"&#x3")),
    "links": Reader(
        _links,
        (b"", b"http://", b"a@"),
        (b"http://", b"www.", b"a@b.", b"a.b", b"@", b"http://a)", b"(", b")", b"...", b"a+"),
    ),
    "text of html": Reader(
        _html_text, (b"", b"<", b"<style>"), (b"<p>", b"<blockquote>", b"<li>", b"<style>", b"&amp", b"<br>")
    ),
    "invitation": Reader(
        _invitation,
        (b"", b"BEGIN:VEVENT\r\n", b"METHOD:REQUEST\r\nBEGIN:VEVENT\r\n", b"BEGIN:VTIMEZONE\r\nTZID:a\r\n"),
        (
            b"BEGIN:VEVENT\r\n",
            b"ATTENDEE:a\r\n",
            b"ATTENDEE:x@b.example\r\n",
            b"RRULE:FREQ=DAILY\r\n",
            b"SUMMARY:a\r\n b\r\n",
            b";A=b",
            b';A="',
            b"\r\n ",
            b"\\n",
        ),
    ),
    "answer to an invitation": Reader(_answer, (b"", b"a,"), (b"a", b",", b"\\", b"\r\n", b"\xc3\xa4", b"\x01")),
    "time of an event": Reader(_when, (b"", b"P"), (b"1", b"P1W", b"2026-12-01 ", b"/a", b"_")),
    "winmail.dat": Reader(
        winmail.names,
        (b"\x78\x9f\x3e\x22\x01\x00",),
        (struct.pack("<BII", 2, 0x00018010, 2) + b"a\0\0\0", struct.pack("<BII", 1, 0, 0) + b"\0\0"),
    ),
    "names of files": Reader(_names, (b"",), (b"a.", b"/", b"\xe2\x80\xae", b"a\xcc\x81", b"con.")),
    "spoofs": Reader(_spoofs, (b"", b"a@"), (b"a@b.", b"a.", b"\xe2\x80\x8d", b"rn", b"xn--")),
}
