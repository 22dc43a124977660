"""The header of a message as its author's client submits it (RFC 6409 §8): what is read of it, and made right."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from mpcontinuity.message import addresses, dates
from mpcontinuity.message.fields import unfold
from mpcontinuity.message.summary import summary
from mpcontinuity.model.address import quote

MAX_HEADER: Final = 512 * 1024  # octets; ten thousand recipients with their names fit

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:([^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)")
_BLIND = frozenset((b"bcc", b"resent-bcc"))
_ADDRESS_OCTETS: Final = 64 * 1024  # of From: nobody writes as so many


class Submitted(NamedTuple):
    """``blind``: the fields Bcc; ``open``: all others, without the blank line; both as they stand.

    ``authors``: addresses of From, in all fields of that name; an empty one where something is no address.
    """

    blind: bytes
    open: bytes
    authors: tuple[str, ...]
    message_id: str  # with its angle brackets; empty where there is none
    dated: bool


class Collector:
    """The header out of a stream with CRLF at all line ends; what follows it is passed on.

    It ends at a blank line, or before a line that is no field (as a message without header begins with).
    """

    def __init__(self) -> None:
        self.header: bytes | None = None  # once it is complete: its fields, without the blank line
        self.too_long = False
        self._held = bytearray()
        self._position = 0  # behind the last field that is complete

    def feed(self, data: bytes) -> bytes:
        """What of the body is there by now; it begins with the blank line."""
        if self.header is not None:
            return data
        self._held += data
        held = self._held
        while True:
            position = self._position
            start = held[position : position + 2]
            if len(start) < 2:
                break
            if start == b"\r\n":
                return self._end(position)
            # A field ends where the next line does not go on with it: that line's first octet must be there.
            match = _FIELD.match(held, position)
            if match is None:
                if held.find(b"\r\n", position) < 0:
                    break  # the line is not complete
                return self._end(position, b"\r\n")
            if match.end() >= len(held) or held[match.end()] in b" \t":
                break
            self._position = match.end()
        if len(held) > MAX_HEADER:
            self.too_long = True
            return self._end(self._position, b"\r\n")
        return b""

    def finish(self) -> bytes:
        """The message ended within its header."""
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
    """Of a header as `Collector` has it."""
    blind: list[bytes] = []
    others: list[bytes] = []
    authors: list[str] = []
    message_id, dated = "", False
    for match in _FIELD.finditer(header):
        name = match[1].lower()
        if name in _BLIND:
            blind.append(match[0])
            continue
        others.append(match[0])
        if name == b"from":
            authors += _addresses(match[2])
        elif name == b"message-id":
            message_id = message_id or summary({b"message-id": unfold(match[2])}).message_id
        elif name == b"date":
            dated = True
    return Submitted(b"".join(blind), b"".join(others), tuple(authors), message_id, dated)


def missing(given: Submitted, *, author: str, message_id: str, time: int) -> bytes:
    """The fields to be added: From, Date (``time`` in µs) and Message-ID, where there are none."""
    fields = ""
    if not given.authors:
        fields += f"From: <{author}>\r\n"
    if not given.dated:
        fields += f"Date: {dates.show(time)}\r\n"
    if not given.message_id:
        fields += f"Message-ID: {message_id}\r\n"
    return fields.encode("utf-8")


def _addresses(value: bytes) -> list[str]:
    found = []
    for mailbox in addresses.parse(value[:_ADDRESS_OCTETS]):
        if mailbox.mailbox and mailbox.host:
            local = mailbox.mailbox.decode("utf-8", "replace")
            found.append(f"{quote(local)}@{mailbox.host.decode('utf-8', 'replace')}")
        elif mailbox.host is not None:  # else it is a group's begin or end
            found.append("")
    return found or [""]
