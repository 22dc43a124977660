"""Reads the header of a message as a user's client submits it, and adds what it lacks (RFC 6409 §8)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from mpcontinuity.message import addresses, dates, header_limits
from mpcontinuity.message.fields import unfold
from mpcontinuity.message.summary import summary
from mpcontinuity.model.address import quote

_NAME = re.compile(rb"[!-9;-~]++[ \t]*+:")
_FIELD = re.compile(rb"^([!-9;-~]++)[ \t]*+:([^\r\n]*+\r\n(?:[ \t][^\r\n]*+\r\n)*)", re.MULTILINE)
# A field ends where the next line does not go on with it: that line's first octet must be there.
_FIELD_END = re.compile(rb"\r\n(?=[^ \t])")
_BLIND = frozenset((b"bcc", b"resent-bcc"))
# Of From, in all fields of that name. Nobody writes as more, and each is looked up: who does is refused, since what is
# not looked at could be anybody's address.
MOST_AUTHORS: Final = 100
_AUTHOR_OCTETS: Final = 32 * 1024


class Submitted(NamedTuple):
    """What the header of a submitted message says.

    ``blind`` has the fields Bcc as they stand, ``open`` all others without the blank line. ``authors`` are the
    addresses in all fields From; one of them is empty where something is no address, or where there are more than
    anybody needs.
    """

    blind: bytes
    open: bytes
    authors: tuple[str, ...]
    message_id: str  # with its angle brackets; empty where there is none
    dated: bool


class Collector:
    """Takes the header out of a stream whose lines end in CRLF, and passes on what follows it.

    The header ends at a blank line, or before a line that is no field, as in a message that has no header.
    """

    def __init__(self) -> None:
        self.header: bytes | None = None  # once it is complete: its fields, without the blank line
        self.too_long = False
        self._held = bytearray()
        self._position = 0  # behind the last field that is complete
        self._in_field = False  # behind it begins another field: so much is known
        self._searched = 0  # no line end that counts lies before it

    def feed(self, data: bytes) -> bytes:
        """Takes the next octets, and returns what of the body is there by now. The body begins with the blank line."""
        if self.header is not None:
            return data
        self._held += data
        held = self._held
        while True:
            position = self._position
            if held.startswith(b"\r\n", position):
                return self._end(position)
            if not self._in_field:
                line_end = held.find(b"\r\n", max(self._searched, position))
                if line_end < 0:
                    break
                if _NAME.match(held, position) is None:
                    return self._end(position, b"\r\n")
                self._in_field = True
            found = _FIELD_END.search(held, max(self._searched, position))
            if found is None:
                break
            self._position = found.end()
            self._in_field = False
        self._searched = len(held) - 2
        if len(held) > header_limits.LONGEST:
            self.too_long = True
            return self._end(self._position, b"\r\n")
        return b""

    def finish(self) -> bytes:
        """Ends the message, and returns what is left of it where it ended within its header."""
        if self.header is not None:
            return b""
        position = self._position
        match = _FIELD.fullmatch(self._held, position)
        if match is not None:
            return self._end(match.end(), b"\r\n")
        return self._end(position, b"" if bytes(self._held[position:]) == b"\r\n" else b"\r\n")

    def _end(self, position: int, between: bytes = b"") -> bytes:
        self.header = bytes(self._held[:position])
        rest = between + bytes(self._held[position:])
        self._held.clear()
        return rest


def read(header: bytes) -> Submitted:
    """Returns what a header says that a `Collector` took out."""
    blind: list[bytes] = []
    others: list[bytes] = []
    froms: list[bytes] = []
    message_id, dated = "", False
    for match in _FIELD.finditer(header):
        name = match[1].lower()
        if name in _BLIND:
            blind.append(match[0])
            continue
        others.append(match[0])
        if name == b"from":
            froms.append(match[2])
        elif name == b"message-id":
            message_id = message_id or summary({b"message-id": unfold(match[2])}).message_id
        elif name == b"date":
            dated = True
    return Submitted(b"".join(blind), b"".join(others), _authors(froms), message_id, dated)


def values(header: bytes, name: bytes) -> list[bytes]:
    """Returns the values of all fields of that name (in lower case), each in one line."""
    return [unfold(match[2]) for match in _FIELD.finditer(header) if match[1].lower() == name]


def missing(given: Submitted, *, author: str, message_id: str, time: int) -> bytes:
    """Returns the fields From, Date (``time`` is in µs) and Message-ID, as far as they are missing."""
    fields = ""
    if not given.authors:
        fields += f"From: <{author}>\r\n"
    if not given.dated:
        fields += f"Date: {dates.show(time)}\r\n"
    if not given.message_id:
        fields += f"Message-ID: {message_id}\r\n"
    return fields.encode("utf-8")


def _authors(froms: Sequence[bytes]) -> tuple[str, ...]:
    if sum(map(len, froms)) > _AUTHOR_OCTETS:
        return ("",)
    found = dict.fromkeys(author for value in froms for author in _addresses(value))
    return tuple(found) if len(found) <= MOST_AUTHORS else ("",)


def _addresses(value: bytes) -> list[str]:
    found = []
    for mailbox in addresses.parse(value):
        if mailbox.mailbox and mailbox.host:
            local = mailbox.mailbox.decode("utf-8", "replace")
            found.append(f"{quote(local)}@{mailbox.host.decode('utf-8', 'replace')}")
        elif mailbox.host is not None:  # else it is a group's begin or end
            found.append("")
    return found or [""]
