"""Readers of messages, of what DNS says, and of what administrators give."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from datetime import date
from ipaddress import ip_address
from pathlib import Path
from typing import get_args
from xml.etree import ElementTree

import msgspec
import pytest

from mpcontinuity.access.webmail import invitations, question
from mpcontinuity.admin.api import reading
from mpcontinuity.archive import document, segment
from mpcontinuity.archive import query as language
from mpcontinuity.archive.document import Source, terms
from mpcontinuity.archive.matching import Whose, groups, matching
from mpcontinuity.config import read as configuration
from mpcontinuity.control import user_file
from mpcontinuity.message import (
    addresses,
    charset,
    contenttype,
    dates,
    dkim,
    encodedwords,
    fields,
    rendered,
    report,
    scheduling,
    submitted,
    summary,
    trace,
)
from mpcontinuity.message.display import invitation as calendar
from mpcontinuity.message.display import show
from mpcontinuity.message.display.shown import Wanted
from mpcontinuity.message.lineends import octets_added
from mpcontinuity.message.matching import Needle
from mpcontinuity.message.render import render, render_whole
from mpcontinuity.message.text import folded
from mpcontinuity.model import address, durations, uidset
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.public import Place
from mpcontinuity.model.reply import Outcome, Reply, Stage, Verdict
from mpcontinuity.protocols.discovery import autodiscover
from mpcontinuity.protocols.pop3.message import on_the_wire
from mpcontinuity.routing import refusal
from mpcontinuity.verdicts import dmarc, spf
from mpcontinuity.verdicts.dns import Ip
from mpcontinuity.web import form
from mpcontinuity.web.languages import ENGLISH
from tests.corpus import messages
from tests.fuzz.target import Target

_NOW = 1_790_000_000  # s
_CONTROL = re.compile(rb"[\0-\x08\x0a-\x1f\x7f]|\xe2\x80[\xa8\xa9]")


def structure(data: bytes) -> None:
    assert len(render(data)) <= 2 * len(data) + 8 * 1024 + 128
    blob = render_whole(data)
    for part in (rendered.envelope(blob), rendered.body(blob), rendered.bodystructure(blob)):
        assert b"\0" not in part
        assert part.isascii()
        assert part.startswith(b"(")
    assert len(data) + octets_added(data) == len(undotted(on_the_wire(data)))
    for path in ((), (1,), (1, 1), (2,)):
        for text in ("", "HEADER", "TEXT", "MIME"):
            found = rendered.section(blob, path, text)
            if found is not None:
                start, length = found
                assert 0 <= start <= start + length <= len(data), (path, text, found)
    rendered.header_length(blob)
    rendered.sent_date(blob)
    summary.summarise(data)


def display(data: bytes) -> None:
    found = show.show(data, Wanted(len(data), "/images/x", domains=("example.org",)))
    assert "<script" not in found.html
    assert "<" not in found.css
    for each in found.attachments:
        assert 0 <= each.start <= each.end <= len(data)
        assert each.name
    show.header(data)


def invitation(data: bytes) -> None:
    """What is answered says what was chosen, by whom, and nothing that the invitation put there."""
    text = data.decode("utf-8", "surrogateescape")
    found = calendar.read(text, ("anna@example.org", "ann@example.org"))
    if found is None:
        return
    assert invitations.when(ENGLISH, found)[1] >= 0
    if not found.invited:
        return
    for answer in scheduling.ANSWERS:
        written = scheduling.reply(found, answer, comment=text[-200:], time=_NOW * SECOND)
        lines = written.encode().split(b"\r\n")
        assert all(len(line) <= 75 and not _CONTROL.search(line) for line in lines), lines
        names = [re.split("[:;]", line)[0] for line in written.replace("\r\n ", "").split("\r\n")]
        assert names[-2:] == ["END", ""]
        for name in ("METHOD", "UID", "ORGANIZER", "ATTENDEE"):
            assert names.count(name) == 1, names
        again = calendar.read(written)
        assert again is not None
        assert (again.method, again.status, again.uid) == ("reply", answer, found.uid)
        assert again.organizer.address == found.organizer.address
        assert [each.address for each in again.attendees] == [found.invited]


def undotted(wire: bytes) -> bytes:
    """What a client of POP3 keeps."""
    lines = wire.removesuffix(b".\r\n").split(b"\r\n")
    return b"\r\n".join([line.removeprefix(b".") for line in lines])


def search(data: bytes) -> None:
    needle, _, message = data.partition(b"\n")
    looking = Needle(needle.decode("utf-8", "replace"))
    looking.in_text(message, True)
    looking.in_header(message, "Subject")


def header(data: bytes) -> None:
    block = fields.block(data)
    fields.read(block)
    for value in fields.index(block).values():
        fields.unfold(value)
    with contextlib.suppress(ValueError):
        submitted.missing(submitted.read(block), author="a@b.example", message_id="<1@b.example>", time=0)
    trace.origin(data, "mx.example.org")


def address_field(data: bytes) -> None:
    addresses.parse(data)
    addresses.structure(data)


def content_type(data: bytes) -> None:
    for parameter in contenttype.parameters(data):
        contenttype.text(parameter)
    contenttype.content_type(data)
    contenttype.disposition(data)


def words(data: bytes) -> None:
    encodedwords.text(data)
    name, _, text = data.partition(b"\n")
    shown = charset.decode(text, name.decode("latin-1"))
    assert encodedwords.text(encodedwords.encode(shown)) == shown.encode("utf-8", "replace").decode().replace(
        "\0", "\ufffd"
    )
    folded(shown)
    dates.day(data)


def signature(data: bytes) -> None:
    block, _, record = data.partition(b"\0")
    found = dkim.fields(block)
    for field in found:
        for way in get_args(dkim.Canonical):
            dkim.canonical_field(field, way)
        with contextlib.suppress(dkim.BadSignature):
            made = dkim.read(field, _NOW)
            dkim.verify(made, found, record.decode("utf-8", "replace"))


def refusals(data: bytes) -> None:
    first, _, rest = data.partition(b"\n")
    enhanced, _, text = rest.decode("utf-8", "replace").partition(" ")
    stages = list(Stage)
    stage, code = stages[sum(first) % len(stages)], 500 + len(data) % 100
    about = refusal.about(Outcome(Verdict.REFUSED, stage, Reply(code, enhanced, text)))
    assert code < 555 or about in (refusal.About.US, refusal.About.UNCLEAR)


class _Zone:
    """Answers every question with the octets under test."""

    def __init__(self, data: bytes) -> None:
        self._text = data.decode("utf-8", "replace")

    async def texts(self, name: str) -> list[str]:
        return [self._text]

    async def addresses(self, name: str, *, version: int) -> list[Ip]:
        return []

    async def exchanges(self, name: str) -> list[str]:
        return [self._text[-60:]]

    async def names(self, address: Ip) -> list[str]:
        return [self._text[-60:]]


def policies(data: bytes) -> None:
    """SPF and DMARC with a record that anybody may have published."""
    zone = _Zone(data)
    for check in (
        spf.SpfCheck(zone, ip_address("192.0.2.1"), "ann@example.com", "c.example").result("example.com"),
        dmarc.check(zone, "example.com", "example.com", ["example.net"]),
    ):
        with pytest.raises(StopIteration):  # nothing in it waits, so it ends in one step
            check.send(None)


def reports(data: bytes) -> None:
    about = report.RecipientReport(
        recipient="b@example.org",
        action="failed",
        status="5.0.0",
        reason=data[:200].decode("utf-8", "replace"),
        reply=data[:300].decode("latin-1"),
    )
    made = report.Report(
        hostname="mx.example.org",
        identifier="x",
        time=0,
        sender="a@example.org",
        arrived=0,
        about=[about],
        full=data[:1] == b"f",
    )
    render(report.compose(made, data))


def given(data: bytes) -> None:
    """What administrators and clients write: addresses, sets of numbers, durations, files."""
    text = data.decode("utf-8", "surrogateescape")
    with contextlib.suppress(address.BadAddress):
        address.parse(text)
    with contextlib.suppress(ValueError):
        uidset.parse(data)
    with contextlib.suppress(ValueError):
        durations.parse(text)
    with contextlib.suppress(Refused):
        for _ in user_file.read(io.BytesIO(data)):
            pass
    with contextlib.suppress(configuration.BadConfiguration):
        configuration.parse(data.decode("utf-8", "replace"), Path("/nowhere"))


def sent_json(data: bytes) -> None:
    """What is read has no name twice, no deep nesting and nothing that no store could keep."""
    with contextlib.suppress(Refused):
        given = reading.read_object(data)
        again = msgspec.json.decode(msgspec.json.encode(given), strict=False)
        assert set(again) == set(given)


def sent_form(data: bytes) -> None:
    """What a browser sends from a page of ours."""
    with contextlib.suppress(form.BadForm):
        fields = form.read_form(data)
        values = [value for name in fields for value in (name, *fields.all(name))]
        assert len(values) <= 2 * form.MOST_FIELDS
        assert sum(map(len, set(values))) <= len(data)


def _named() -> Iterator[bytes]:
    for value in vars(messages).values():
        if isinstance(value, bytes):
            yield value


def archived(data: bytes) -> None:
    source = Source(7, 9, 3, "inbound", "a@b.example", ("c@d.example", "\ud800"), "s", "<i>", len(data), len(data))
    found = terms(source, data)
    assert len(found) < 3 * document.MOST_WORDS
    made = list(segment.blocks(segment.of_messages([found, terms(source, None)]), 2))
    for term in sorted(found)[:100]:
        assert segment.InMemory(made).look(term[:-2])[term[-1:]] & 1, term
    with contextlib.suppress(segment.Damaged):
        list(segment.occurrences(data))
        segment.find(data, b"a")


def query(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    try:
        parsed = language.parse(text, _NOW * SECOND)
    except Refused as error:
        refused = str(error)
    else:
        refused = ""
    if refused:
        assert refused.startswith("query: ")
        assert "\n" not in refused
        return
    everything = Whose(1, frozenset(["a@b.example"]))
    assert matching(parsed, everything, 3, lambda group: {}) == 0
    assert groups(parsed, everything)


def asked_of_webmail(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    with contextlib.suppress(question.NotUnderstood):
        asked = question.parse(text, date(2026, 11, 30))
        assert asked.key()
        assert groups(asked.query(), Whose(1, frozenset(["a@b.example"])))


def autodiscovery(data: bytes) -> None:
    with contextlib.suppress(autodiscover.BadRequest):
        wanted = autodiscover.read(data)
        assert wanted.address
        ElementTree.fromstring(autodiscover.answer(wanted.address, [Place("IMAP", "mx.example", 993, "SSL/TLS")]))


_SHOWN = (
    b"From: a@b\r\nContent-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n"
    b"<style>a{color:red}</style><p style='margin:1px'><img src=cid:c><a href=https://x>x</a>\r\n"
    b"--b\r\nContent-Type: image/png; name=a\r\nContent-ID: <c>\r\nContent-Transfer-Encoding: base64\r\n\r\niVBO\r\n"
    b"--b\r\nContent-Type: text/calendar\r\n\r\nBEGIN:VEVENT\r\nDTSTART:20261130T120000Z\r\nEND:VEVENT\r\n--b--\r\n",
    b"Content-Type: text/plain; format=flowed\r\n\r\n> a \r\n> b\r\nwww.a.example\r\n",
    b"Content-Type: application/ms-tnef\r\n\r\n\x78\x9f\x3e\x22\0\0\2\x10\x80\1\0\2\0\0\0a\0\0\0",
)
_INVITATION = (
    b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VTIMEZONE\r\nTZID:a b\r\nBEGIN:STANDARD\r\nDTSTART:19701025T030000\r\n"
    b"TZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nRRULE:FREQ=YEARLY;BYMONTH=10\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
    b"BEGIN:VEVENT\r\nUID:e1@x\r\nSEQUENCE:3\r\nSUMMARY:Lunch\\, w\xc3\xa4h\r\n rend\r\n%b"
    b'ORGANIZER;CN="B, B":mailto:bob@far.example\r\nATTENDEE;PARTSTAT=ACCEPTED:mailto:carl@x.example\r\n'
    b"ATTENDEE;CN=A:MAILTO:Anna+x@example.org\r\nBEGIN:VALARM\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)
_TIMES = (
    b"DTSTART:20261201T120000Z\r\nDURATION:P1W2DT3H4M\r\n",
    b"DTSTART;VALUE=DATE:20261201\r\nDTEND;VALUE=DATE:20261203\r\nRECURRENCE-ID;VALUE=DATE:20261201\r\n",
    b'DTSTART;TZID=a b:20261201T120000\r\nRECURRENCE-ID;TZID="a b":20261201T120000\r\nRRULE:FREQ=DAILY\r\n',
    b"DTSTART;TZID=Europe/Berlin:20261201T120000\r\nDTEND;TZID=Europe/Berlin:20261201T130000\r\nCOMMENT:x\r\n",
)
READERS = {
    "message shown": Target(display, _SHOWN),
    "invitation": Target(invitation, tuple(_INVITATION % times for times in _TIMES)),
    "autodiscover": Target(
        autodiscovery,
        (
            b'<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="a"><Request><EMailAddress>a@b</EMailAddress>'
            b"<AcceptableResponseSchema>b</AcceptableResponseSchema></Request></Autodiscover>",
            b'<!DOCTYPE a [<!ENTITY x "y">]><a:EMailAddress>&#x41;<![CDATA[b]]>&x;</a:EMailAddress>',
        ),
    ),
    "request": Target(
        sent_json, (b'{"address":"b@example.org","aliases":[],"inactive":false}', b'{"a":{"b":[1,null]}}')
    ),
    "form": Target(sent_form, (b"address=a%40example.org&password=s%C3%A4cret+1&again=&x", b"a=1&a=2&&=%")),
    "archive": Target(archived, tuple(_named())),
    "archive-query": Target(
        query,
        (
            b'from:a@b.example -"x y" since:7d larger:10M has:attachment',
            b"id:0000000000001 on:2026-11-22 message-id:<a@b>",
        ),
    ),
    "question": Target(
        asked_of_webmail, (b'from:ann -"x y" after:7d larger:10M has:attachment', b"is:unread on:2026-11-22 to:a@b.c")
    ),
    "structure": Target(structure, tuple(_named())),
    "search": Target(search, tuple(b"agenda\n" + message for message in _named())),
    "header": Target(header, tuple(_named())),
    "addresses": Target(
        address_field,
        (
            b'"Berg, Anna" <anna@example.org>, (c) x@y, Group: a@b, <c@d>;',
            b"<@a,@b:c@[192.0.2.1]>, =?utf-8?q?a?= <a@b>",
        ),
    ),
    "content-type": Target(
        content_type,
        (b'multipart/mixed; boundary="a\\"b"; (c) name*0*=utf-8\'\'a%20; name*1=b', b"attachment; filename=x y.pdf"),
    ),
    "words": Target(
        words,
        (
            b"=?utf-8?B?w6Q=?= =?iso-8859-1*de?Q?=E4_?=",
            b'iso-2022-jp\n\x1b$B$"\x1b(B',
            b"Mon, 1 Jan 2026 00:00:00 +0100",
        ),
    ),
    "dkim": Target(
        signature,
        (
            b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=example.org; s=a; h=From:To; bh=AAAA; b=AAAA; "
            b"t=1; x=9\r\n"
            b"From: a@example.org\r\n\0v=DKIM1; k=rsa; p=AAAA",
        ),
    ),
    "refusals": Target(
        refusals, (b"r\n5.1.1 user unknown", b"m\n5.7.1 <a@b> spam from [192.0.2.1]", b"\n5.7.999999 x")
    ),
    "policies": Target(
        policies,
        (
            b"v=spf1 ip4:192.0.2.0/24 a:%{d2}.example.org mx include:x.example ~all exp=e.%{d}",
            b"v=DMARC1; p=reject; sp=none; np=quarantine; adkim=s; t=y; psd=n",
        ),
    ),
    "reports": Target(reports, (b"f550 5.1.1 no such user\r\nFrom: a\r\n\r\nb", messages.PLAIN)),
    "given": Target(
        given,
        (
            b"a.b+c@example.org",
            b"1:4,7,*:3",
            b'[limits]\nconnections = 5\n[retry]\nfirst = "30s"',
            b"address,name\na@b.example,Ann\n",
        ),
    ),
}
