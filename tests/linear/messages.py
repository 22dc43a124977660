"""Readers of messages and of their headers."""

from __future__ import annotations

import contextlib
import io
from collections.abc import AsyncIterator, Callable
from encodings.aliases import aliases
from typing import get_args

from twisted.internet.defer import Deferred
from twisted.web.http_headers import Headers
from werkzeug.exceptions import HTTPException

from mpcontinuity.admin.api import reading
from mpcontinuity.control import user_file
from mpcontinuity.message import (
    addresses,
    automatic,
    charset,
    composing,
    contenttype,
    dates,
    dkim,
    encodedwords,
    fields,
    imap_string,
    overview,
    references,
    report,
    subjects,
    submitted,
    summary,
    text,
    trace,
    typed_addresses,
)
from mpcontinuity.message.fields import HeaderNames
from mpcontinuity.message.header_limits import HeaderMeasure
from mpcontinuity.message.lineends import octets_added
from mpcontinuity.message.matching import Needle
from mpcontinuity.message.render import render_whole
from mpcontinuity.message.text import folded, of_addresses
from mpcontinuity.model import address
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.visible import json_visible, visible
from mpcontinuity.protocols.discovery import autodiscover
from mpcontinuity.verdicts import examination
from mpcontinuity.web import before_login, cookies, form, framing, languages, multipart, routes
from mpcontinuity.web.answers import Answer
from tests.linear.reader import KIB, Reader

_HEADER = b"From: a@b.example\r\nTo: c@d.example\r\n"
_SIGNATURE = b"DKIM-Signature: v=1; a=rsa-sha256; d=b.example; s=s; bh=AAAA; b=AAAA; h=from\r\n"
_OURS = b"by mx.example (mpcontinuity) with ESMTP id 0123456789abc "


def small(feed: Callable[[bytes], object], data: bytes, step: int) -> None:
    """As a peer that sends small segments."""
    for at in range(0, len(data), step):
        feed(data[at : at + step])


def _body_hash(data: bytes) -> None:
    for way in get_args(dkim.Canonical):
        for step in (65_536, 100):
            hashed = dkim.BodyHash(way)
            small(hashed.feed, data, step)
            hashed.digest()


def _dkim_header(data: bytes) -> None:
    found = dkim.fields(data)
    for field in found:
        dkim.canonical_field(field, "relaxed")
        with contextlib.suppress(dkim.BadSignature):
            dkim.verify(dkim.read(field, 0), found, "v=DKIM1; p=AAAA")


def _dkim_record(data: bytes) -> None:
    with contextlib.suppress(dkim.BadSignature):
        dkim.tags(data.decode("latin-1"))
    signature = b"DKIM-Signature: v=1; a=rsa-sha256; d=b.example; s=s; h=from; bh=AAAA; b=AAAA\r\n"
    with contextlib.suppress(dkim.BadSignature):
        (field,) = dkim.fields(signature)
        dkim.verify(dkim.read(field, 0), [], data.decode("latin-1"))


def _examination(data: bytes) -> None:
    work = examination.Work(b"0")
    small(work.feed, data, 65_536)
    work.ask(examination.encode(examination.Question()))
    work.ask(examination.encode(examination.Question(("v=DKIM1; p=AAAA",) * examination.MOST)))


def _untrusted(data: bytes) -> None:
    for step in (65_536, 1000):
        stream = trace.Untrusted("mx.example")
        small(stream.feed, data, step)
        stream.finish()
    trace.origin(data, "mx.example")


def _collector(data: bytes) -> None:
    for step in (65_536, 50):
        collector = submitted.Collector()
        small(collector.feed, data, step)
        collector.finish()
        submitted.read(collector.header or b"")
        submitted.values(collector.header or b"", b"x-originatororg")


def _measure(data: bytes) -> None:
    measure = HeaderMeasure()
    small(measure.feed, data, 100)


def _fields(data: bytes) -> None:
    block = fields.block(data)
    fields.read(block)
    for value in fields.index(block).values():
        fields.unfold(value)
    few, many = (HeaderNames([b"x%d" % number for number in range(count)]) for count in (20, 1000))
    few.pick(block)
    many.pick(block)
    summary.summarise(data)
    overview.overview(block)
    overview.sender(block)
    subjects.base(data)
    dates.moment(data)
    references.digests(dict.fromkeys((b"message-id", b"references", b"in-reply-to"), data))


def _names(data: bytes) -> None:
    """Asked for by a client: as many as a command has room for."""
    names = [b"n%d" % number for number in range(len(data) // 8)]
    for exclude in (False, True):
        HeaderNames(names, exclude=exclude).pick(data)


def _words(data: bytes) -> None:
    encodedwords.encode(encodedwords.text(data))
    encodedwords.base64(data)
    dates.day(data)


def _charsets(data: bytes) -> None:
    for name in sorted({*aliases.values(), "x-unknown", "iso-2022-jp", "windows-874"}):
        charset.decode(data, name)
    folded(data.decode("utf-8", "replace"))


def _search(data: bytes) -> None:
    needle = Needle("ab")
    needle.in_text(data, True)
    needle.in_header(data, "subject")
    text.of_addresses(data)
    text.folded(data.decode("utf-8", "replace"))


def _addresses(data: bytes) -> None:
    addresses.parse(data)
    addresses.structure(data)
    of_addresses(data)


def _content_type(data: bytes) -> None:
    contenttype.content_type(data)
    contenttype.disposition(data)
    for parameter in contenttype.parameters(data):
        contenttype.text(parameter)


def _report(data: bytes) -> None:
    said = data.decode("latin-1")
    about = report.RecipientReport(recipient=said, action="failed", status="5.0.0", reason=said, reply=said, host=said)
    made = report.Report("mx.example", "x", 0, "a@b.example", 0, [about], envelope=said, full=True)
    report.compose(made, data)
    report.status_of(550, said)


def _composed(data: bytes) -> None:
    typed = data.decode("utf-8", "replace")
    ann = composing.Correspondent(typed, address.parse("ann@b.example"))
    for kind in ("message/rfc822", typed):
        letter = composing.Letter(
            sender=ann,
            to=[ann],
            subject=typed,
            text=typed,
            time=0,
            message_id="<a@b>",
            references=composing.thread(typed, typed.split()),
            enclosures=(composing.Enclosure(typed, kind),),
            boundary="b",
        )
        list(composing.compose(letter))
        for step in (65_536, 100):
            small(composing.encoder(kind).feed, data, step)


def _typed(data: bytes) -> None:
    typed = typed_addresses.read(data.decode("utf-8", "replace"))
    composing.listed(typed.people)


def _wire(data: bytes) -> None:
    imap_string.string(data)
    imap_string.words(data)
    octets_added(data)


def _shown(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    visible(text)
    json_visible(text)


def _form(data: bytes) -> None:
    with contextlib.suppress(form.BadForm):
        form.read_form(data)


async def _no_page(asked: object) -> Answer:
    raise NotImplementedError


_ROUTES = routes.Routes([routes.Route("GET", path, _no_page) for path in ("/a/<one>/b", "/a/<path:all>/c", "/a/")])


async def _pieces(data: bytes, step: int) -> AsyncIterator[bytes]:
    for at in range(0, len(data), step):
        yield data[at : at + step]


async def _read_parts(data: bytes, step: int) -> None:
    with contextlib.suppress(form.BadForm):
        async for _ in multipart.read_parts(_pieces(data, step), b"b", len(data)):
            pass


def _multipart(data: bytes) -> None:
    multipart.boundary_of(data[:1000].decode("latin-1"))
    for step in (65_536, 500):
        Deferred.fromCoroutine(_read_parts(data, step))


def _path(data: bytes) -> None:
    with contextlib.suppress(HTTPException):
        _ROUTES.find("GET", data)


def _cookies(data: bytes) -> None:
    cookies.read_cookies(data.decode("latin-1"))


def _accept_language(data: bytes) -> None:
    languages.Languages().of("", data.decode("latin-1"))


def _own_path(data: bytes) -> None:
    before_login.own_path(data.decode("latin-1"))


def _head(data: bytes) -> None:
    framing.origin_form(data)
    framing.is_faulty(b"HTTP/1.1", Headers({b"host": [data], b"transfer-encoding": [data]}))


def _request(data: bytes) -> None:
    with contextlib.suppress(Refused):
        reading.read_object(data)


def _autodiscover(data: bytes) -> None:
    with contextlib.suppress(autodiscover.BadRequest):
        autodiscover.read(data)


def _users(data: bytes) -> None:
    with contextlib.suppress(Refused):
        for _ in user_file.read(io.BytesIO(data)):
            pass


MESSAGES = {
    "users": Reader(
        _users,
        (b"", b"address;name\n", b'"'),
        (b'a","\n', b'"a""b\n', b"a@b\n", b"a@b,,c@b;", b"a@b;", b'"\n', b"\xff\n", b'","', b"\n\n"),
        (b"", b'"', b'\n"'),
        most=24 * KIB,  # a record and a half
    ),
    "autodiscover": Reader(
        _autodiscover,
        (b"", b"<a>", b"<EMailAddress>", b"<a b='", b"<!DOCTYPE a [", b"<![CDATA["),
        (b"<a>", b"<a/>", b"&amp;", b"&#x41;", b"<!--", b"<?a ", b"]]>", b" a='b'", b"<!ENTITY a 'b'>", b"<![CDATA["),
        (b"", b"</EMailAddress>", b"'/>"),
        autodiscover.LONGEST,
    ),
    "own path": Reader(_own_path, (b"/", b"/a"), (b"a", b"/", b"//", b"..", b"%41", b"?"), (b"", b"\xff")),
    "path": Reader(_path, (b"/", b"/a/", b"/a/x/"), (b"/", b"a/", b"%2F", b"c/", b"%", b"b"), (b"", b"/c", b"/b")),
    "request": Reader(
        _request,
        (b"", b'{"a":', b'{"', b"["),
        (b"[", b'"a":1,', b"1", b'"', b"\\u0000", b"{", b'{"a":', b"[],", b" ", b'\\"', b"\xc3\xa4"),
        (b"", b"}", b'"}', b"]"),
        reading.LONGEST,
    ),
    "head of a request": Reader(_head, (b"", b"http://", b"["), (b"http://", b"a:", b"/", b"?", b"]", b"%")),
    "form with files": Reader(
        _multipart,
        (
            b"",
            b"--b\r\n",
            b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n',
            b'--b\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\n',
        ),
        (b"--b", b"\r\n--b", b"\r\n--b ", b"--b\r\n\r\n", b"A: b\r\n", b"\r\n ", b"\r\n--bx", b"; a=b"),
        (b"", b"\r\n--b--\r\n"),
    ),
    "cookies": Reader(_cookies, (b"", b"__Host-a="), (b";", b"__Host-a=b;", b"=", b" ", b"a")),
    "accept-language": Reader(
        _accept_language, (b"", b"de"), (b",", b"de,", b"de;q=0.5,", b";", b'"', b"\\", b"-", b" ", b"a")
    ),
    "form": Reader(_form, (b"", b"password=", b"&" * 10), (b"&", b"a=b&", b"%41", b"%", b"+", b"=", b"%C3%A4=")),
    "dkim body": Reader(_body_hash, (b"", b"a"), (b" \r\n", b"a\r\n", b"\t \r\n"), (b"", b"x")),
    "dkim header": Reader(
        _dkim_header,
        (
            b"",
            b"a",
            b"From: ",
            b"DKIM-Signature: v=1; a=rsa-sha256; d=b.example; s=s; bh=AAAA; b=AAAA; h=from:",
            b"DKIM-Signature: h=from; v=1; a=rsa-sha256; d=b.example; s=s; bh=AAAA; b=",
        ),
        (b"From: a\r\n", b"from:", b"b"),
        (b"", b"\r\nFrom: a\r\n"),
    ),
    "dkim record": Reader(_dkim_record, (b"", b"v=DKIM1; p=", b"v=DKIM1; k=rsa; h="), (b"a=b;", b"A")),
    "examination": Reader(
        _examination,
        (
            b"",
            b"From: ",
            b"DKIM-Signature: v=1; a=rsa-sha256; d=b.example; s=s; bh=AAAA; b=AAAA; h=from\r\nFrom: a@b\r\n\r\n",
        ),
        (
            b"From: a@b\r\n",
            b"a@b,",
            b"DKIM-Signature: v=1; a=rsa-sha256; d=b.example; s=s; bh=AAAA; b=AAAA; h=from\r\n",
        ),
        most=32 * KIB,
    ),
    "trace fields": Reader(
        _untrusted,
        (b"", b"Received: from x ", b"Received: from x " + _OURS, b"Authentication-Results: ", b"X-MPContinuity-Id: "),
        (
            b" for <",
            b" for <;",
            b" by mx.example",
            b" by",
            _OURS,
            b"Received: x\r\n",
            b"\n\n\r\n",
            b"Received:" + _OURS,
        ),
        (b"", b"\r\n\r\n"),
        32 * KIB,
    ),
    "submitted header": Reader(
        _collector,
        (b"", b"From: ", b"From: a\r\n", b"Subject:"),
        (b"Bcc: a\r\n", b"From: a@b\r\n"),
        (b"", b"\r\n\r\nx"),
    ),
    "what forbids an automatic answer": Reader(
        automatic.read,
        (b"", b"To: ", b"To: a@b, ", b"List-", b"Auto-Submitted: ", b"X-Auto-Response-Suppress: ", b"References: "),
        (b"To: a@b\r\n", b"a@b, ", b"List-Id: x\r\n", b"list-", b"<a@b> ", b"Precedence: bulk\r\n", b"a+b@c,"),
        (b"", b"\r\n\r\n"),
    ),
    "length of a header": Reader(_measure, (b"", b"a: ")),
    "header fields": Reader(_fields, (b"", b"To: ", b"Subject: "), (b"To: a\r\n", b"Subject: =?a?q?b?=\r\n")),
    "header names": Reader(_names, (b"", b"a: "), (b"n1: a\r\n",)),
    "encoded words": Reader(
        _words,
        (b"", b"=?utf-8?q?", b"=?utf-8*"),
        (b"=?utf-8?q?a?=", b"=?utf-8?b?YQ==?=", b"=?a*b?q?c?=", b"=", b"1 Jan", b"=? ", b"=?u*", b"=?u?q?", b"=?u?q?a"),
    ),
    "charsets": Reader(_charsets, units=(b"\x1b$B", b"\x1b", b"~{", b"+AA-", b"\x8e", b"\x0e\x0f"), most=16 * KIB),
    "addresses": Reader(
        _addresses,
        (b"", b"a@b", b'"', b"a <a@b> (", b"x: "),
        (
            b"a@b,",
            b"a <b@c>,",
            b"<a@b",
            b"<@a,@b:c@d>",
            b"(c)",
            b"a@b (c),",
            b"x:;",
            b"a@b <",
            b"a@b<c@d, ",
            b"@a,",
            b"a@",
        ),
        most=8 * KIB,
    ),
    "content types": Reader(
        _content_type,
        (b"", b"text/plain;", b"text/plain; (", b"text/plain; a=", b'text/plain; a="', b"text/plain; a*0=x; a*"),
        (
            *(b"; a=b", b" (", b"(a) ", b";a*=*", b";a*1=x", b";a*=''%41", b"; (a", b";;", b"/"),
            *(b"b (", b"b charset", b" name ", b"*1", b"a*0=b;"),
        ),
        most=32 * KIB,
    ),
    "search": Reader(
        _search,
        (
            b"Content-Type: text/plain; a=",
            b"Content-Disposition: attachment; a*=",
            b"Content-X: *",
            b"\r\n",
            b"Content-Transfer-Encoding: base64\r\n\r\n",
            b"Content-Transfer-Encoding: quoted-printable\r\n\r\n",
            b"Content-Type: text/plain; charset=utf-8\r\n\r\na",
        ),
        (
            *(b";*=*", b";a*1=x", b"Content-A: *\r\n", b";a*=''%41", b"= \n", b"=\r", b"YQ==", b"\xcc\x81\xcc\x96"),
            b"Content-Type: message/rfc822\nContent-Transfer-Encoding: quoted-printable\n\n",
        ),
        most=16 * KIB,
    ),
    "structure": Reader(
        render_whole,
        (
            b"",
            _HEADER + b"\r\n",
            _HEADER + b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n",
            _HEADER + b"Content-Type: multipart/digest; boundary=a\r\n\r\n--a\r\n\r\n",
            b"Content-Type: message/rfc822\r\n\r\n",
        ),
        (
            b"--a\r\n\r\n",
            b"Content-Type: message/rfc822\r\n\r\n",
            b"\r\n--a\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n",
            b"\r\n--a\r\n\r\nTo: a@b, c@d\r\n\r\n",
            *(b"--a--\r\n", b"--ax\r\n", b"--a " + b" " * 90, b"--\n", b"a:\n", b"\n ", b"To:a\n"),
            b"--a\nContent-Type: message/rfc822\n\nTo:a,a,a,a\n",
        ),
    ),
    "report": Reader(_report),
    "composed": Reader(_composed, units=(b"<a@b> ", b"> ", b"\xe2\x80\xae", b"=?a?q?b?="), most=16 * KIB),
    "typed addresses": Reader(
        _typed,
        (b"", b'"', b"<", b"(", b"a; b"),
        (b"a@b,", b"a <b@c>,", b'"a', b"<a", b"(a", b"a;", b"a, b;"),
        most=16 * KIB,
    ),
    "shown to administrators": Reader(_shown, units=(b"\xe2\x80\xae", b"\x1b[31m", b"\xed\xa0\x80")),
    "strings of imap": Reader(_wire),
}
