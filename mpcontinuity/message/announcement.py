"""Writes what the server itself has to say to people: plain text in one part, from its postmaster."""

from __future__ import annotations

import quopri

import msgspec

from mpcontinuity.message import encodedwords
from mpcontinuity.message.dates import show as date
from mpcontinuity.message.report import one_line

LONGEST_SUBJECT = 200  # characters: what a list of messages shows, and more
LONGEST_TEXT = 64 * 1024  # characters: an announcement is read, not archived
_UNENCODED = 70  # characters of a subject in one line (RFC 5322 §2.1.1 recommends 78 with the name of the field)


class Announcement(msgspec.Struct, frozen=True):
    """A message of the server to one address.

    ``identifier`` must be unlike that of any other message; Message-ID is made of it. ``time`` is in µs. ``text`` has
    lines that end in LF. Announcements of the same ``thread``, an identifier too, are shown together.
    """

    hostname: str
    identifier: str
    time: int
    recipient: str
    subject: str
    text: str
    thread: str = ""


def compose(announcement: Announcement) -> bytes:
    """Returns the announcement as a whole message whose lines end in CRLF.

    Subject and text are cut at LONGEST_SUBJECT and LONGEST_TEXT. Programs that answer mail by themselves are told not
    to (RFC 3834 §5, and the field that Exchange has for it).
    """
    hostname = announcement.hostname
    lines = [
        f"From: Mail System <postmaster@{hostname}>",
        f"To: {one_line(announcement.recipient)}",
        f"Subject: {_subject(announcement.subject)}",
        f"Date: {date(announcement.time)}",
        f"Message-ID: <{announcement.identifier}@{hostname}>",
        *([f"References: <{announcement.thread}@{hostname}>"] if announcement.thread else []),
        "Auto-Submitted: auto-generated",
        "X-Auto-Response-Suppress: All",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: quoted-printable",
        "",
        "",
    ]
    return "\r\n".join(lines).encode("utf-8") + _text(announcement.text)


def _subject(subject: str) -> str:
    line = one_line(subject)[:LONGEST_SUBJECT]
    if line.isascii() and len(line) <= _UNENCODED and "=?" not in line:
        return line
    return encodedwords.encode(line).decode("ascii").replace(" ", "\r\n ")


def _text(text: str) -> bytes:
    """What came from outside may have other ends of lines in it, and octets that end a text for some readers."""
    lines = text[:LONGEST_TEXT].splitlines()
    plain = "\n".join("".join(one if one.isprintable() or one == "\t" else " " for one in line) for line in lines)
    encoded = quopri.encodestring((plain.rstrip() + "\n").encode("utf-8", "replace"))
    return encoded.replace(b"\n", b"\r\n")
