"""Writes delivery status notifications (RFC 3464, RFC 6522; RFC 6533 for addresses that are not ASCII)."""

from __future__ import annotations

import quopri
import re
import textwrap
from collections.abc import Sequence
from typing import Literal

import msgspec

from mpcontinuity.message import fields
from mpcontinuity.message.dates import show as date

FAILED, DELAYED, DELIVERED, RELAYED = "failed", "delayed", "delivered", "relayed"

# Octets of a message that a report of a failure gives back whole (RFC 3461 §4.3): enough to recognise it and to send it
# again, too little to fill a mailbox with what could not be delivered.
MOST_RETURNED = 64 * 1024
# Of its header, where only that is returned.
_MOST_HEADER = 64 * 1024

_ANY_LINE_END = re.compile(rb"\r\n|\r|\n")
_HOST = re.compile(r"(?::[0-9]+)?(?: .*)?$")  # what follows it: "host:port [address]"
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")


class RecipientReport(msgspec.Struct, frozen=True):
    """What is reported about one recipient.

    ``status`` is an enhanced status code (RFC 3463). ``reply`` is what the next host answered, or empty. ``reason`` is
    for people.
    """

    recipient: str
    action: Literal["failed", "delayed", "delivered", "relayed"]
    status: str
    reason: str
    reply: str = ""  # "550 5.1.1 No such user"
    host: str = ""  # that said it
    original: str = ""  # ORCPT as it was given: "rfc822;a@b"
    until: int = 0  # µs, of a delay: when it will be given up


class Report(msgspec.Struct, frozen=True):
    """A report about one or more recipients of one message, for all of whom the action is the same.

    ``identifier`` must be unlike that of any other report; Message-ID and MIME boundary are made of it.
    """

    hostname: str
    identifier: str
    time: int  # µs
    sender: str  # to whom it goes: the reverse path of the message
    arrived: int  # µs, the message
    about: Sequence[RecipientReport]
    envelope: str = ""  # ENVID
    full: bool | None = None  # RET, which counts for failures alone; None: not said


def compose(report: Report, original: bytes) -> bytes:
    """Returns the report as a whole message whose lines end in CRLF.

    ``original`` is the message that is reported about.
    """
    boundary = f"=_{report.identifier}"
    while boundary.encode("ascii") in original:
        boundary += "_"
    utf8 = not (report.sender + "".join(one.recipient for one in report.about)).isascii()
    returned, kind = _returned(report, original)
    parts = [
        _part(boundary, "text/plain; charset=utf-8", "quoted-printable", _explanation(report)),
        _part(
            boundary,
            "message/global-delivery-status" if utf8 else "message/delivery-status",
            "8bit" if utf8 else "7bit",
            _status(report, utf8),
        ),
        _part(boundary, kind, "7bit" if returned.isascii() else "8bit", returned),
    ]
    return _header(report, boundary) + b"".join(parts) + b"--" + boundary.encode("ascii") + b"--\r\n"


def status_of(code: int, text: str) -> str:
    """Returns the enhanced status code that a reply's text begins with, or the one that its class stands for."""
    match = _ENHANCED.match(text)
    if match is not None and int(match[0][0]) == code // 100:
        return match[0]
    return "5.0.0" if code >= 500 else "2.0.0" if 200 <= code < 400 else "4.0.0"


_SUBJECTS = {
    FAILED: "Undelivered: your message could not be delivered",
    DELAYED: "Delayed: your message is not delivered yet",
    DELIVERED: "Delivered: your message has arrived",
    RELAYED: "Relayed: your message was passed on",
}


def _header(report: Report, boundary: str) -> bytes:
    lines = [
        f"From: Mail Delivery System <postmaster@{report.hostname}>",
        f"To: {one_line(report.sender)}",
        f"Subject: {_SUBJECTS[report.about[0].action]}",
        f"Date: {date(report.time)}",
        f"Message-ID: <{report.identifier}@{report.hostname}>",
        "Auto-Submitted: auto-replied",  # RFC 3834 §3.1.7
        "X-Auto-Response-Suppress: All",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="{boundary}"',
        "",
        "",
    ]
    return "\r\n".join(lines).encode("utf-8")


_BEGINNINGS = {
    FAILED: "Your message could not be delivered to:",
    DELAYED: "Your message has not been delivered yet. You need not send it again: it will be tried further.",
    DELIVERED: "Your message was delivered, as you asked to be told, to:",
    RELAYED: "Your message was passed on to a server that does not report further, for:",
}


def _explanation(report: Report) -> bytes:
    lines = [f"This is the mail system at {report.hostname}.", "", _BEGINNINGS[report.about[0].action], ""]
    for one in report.about:
        lines.append(f"  <{one_line(one.recipient)}>")
        said = f"{one.host} said: {one.reply}" if one.reply and one.host else one.reply
        for text in filter(None, (one.reason, said)):
            lines += textwrap.wrap(one_line(text), 70, initial_indent="    ", subsequent_indent="    ")
        if one.until:
            lines.append(f"    It will be tried until {date(one.until)}.")
        lines.append("")
    text = "\n".join(lines)
    return quopri.encodestring(text.encode("utf-8", "replace")).replace(b"\n", b"\r\n")


def _status(report: Report, utf8: bool) -> bytes:
    lines = [f"Reporting-MTA: dns; {report.hostname}"]
    if report.envelope:
        lines.insert(0, f"Original-Envelope-Id: {one_line(report.envelope)}")
    lines.append(f"Arrival-Date: {date(report.arrived)}")
    for one in report.about:
        lines.append("")
        if one.original:
            lines.append(f"Original-Recipient: {one_line(one.original).replace(';', '; ', 1)}")
        # RFC 6533 §3: an address that is not ASCII has a type of its own.
        lines.append(f"Final-Recipient: {'utf-8' if utf8 else 'rfc822'}; {one_line(one.recipient)}")
        lines.append(f"Action: {one.action}")
        lines.append(f"Status: {one.status}")
        if one.host:
            lines.append(f"Remote-MTA: dns; {_HOST.sub('', one_line(one.host))}")
        if one.reply:
            reply = one_line(one.reply)
            lines.append(f"Diagnostic-Code: smtp; {reply if utf8 else reply.encode('ascii', 'replace').decode()}")
        lines.append(f"Last-Attempt-Date: {date(report.time)}")
        if one.until:
            lines.append(f"Will-Retry-Until: {date(one.until)}")
    return "\r\n".join([*lines, ""]).encode("utf-8", "replace")


def _returned(report: Report, original: bytes) -> tuple[bytes, str]:
    """What is given back, and its type: of what has not failed the header (RFC 3461 §4.3), whatever RET says. Where
    nothing was said failures come whole."""
    wanted = report.about[0].action == FAILED and report.full is not False
    if wanted and len(original) <= MOST_RETURNED:
        whole = _as_lines(original)
        return whole if whole.endswith(b"\r\n") else whole + b"\r\n", "message/rfc822"
    header = _as_lines(fields.block(original, _MOST_HEADER))
    return header.rstrip(b"\r\n") + b"\r\n", "text/rfc822-headers"


def _as_lines(content: bytes) -> bytes:
    """What came by BDAT may have a bare CR or LF; the report goes by DATA, where some would see the end of it there."""
    if content.count(b"\r\n") == content.count(b"\n") == content.count(b"\r"):
        return content
    return _ANY_LINE_END.sub(b"\r\n", content)


def _part(boundary: str, kind: str, encoding: str, content: bytes) -> bytes:
    head = f"--{boundary}\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode("ascii") + content + b"\r\n"


def one_line(text: str) -> str:
    """Returns the text as a header field may have it, at most 900 characters of it in one line.

    What the other side said may thus not begin another field.
    """
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())[:900]
