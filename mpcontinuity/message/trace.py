"""Trace fields (RFC 5321 §4.4): writes ours, and marks fields from outside that only claim to be ours."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from mmap import mmap
from typing import Final

from mpcontinuity.message import dates

MAX_FIELD: Final = 8 * 1024  # octets of a field that are held back until it is clear whose it is
_SEARCHED: Final = 16 * 1024  # octets in which our Received field is looked for: only clients write above it
MAX_COUNTED: Final = 100  # Received fields that are looked at; a message with more than 50 is refused anyway

PREFIX: Final = b"X-Untrusted-"

_HEADER_END = re.compile(rb"\r?\n\r?\n")
_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9])?|\[[0-9A-Fa-f.:IPv]{2,60}\]")
_FIELD_END = re.compile(rb"\n(?=[^ \t])|\r(?=[^ \t\n])")
_RECEIVED = re.compile(rb"received[ \t]*:", re.IGNORECASE)
_RESULTS = re.compile(rb"authentication-results[ \t]*:", re.IGNORECASE)
_TOKEN = re.compile(rb'"((?:[^"\\]|\\[\s\S])*)"?|([^\s;()"]+)')
_FIRST: Final = b"xXaArR"  # a glance at the first octet settles most fields
_BLANK: Final = (b"", b"\r", b"\n")
_RECEIVED_FIELD = re.compile(rb"^received[^\n]*\n(?:[ \t][^\n]*\n)*", re.IGNORECASE | re.MULTILINE)
_FOR = re.compile(rb"\s+for\s+<([^\r\n]*)>;")  # straight behind the id, as `received` writes it


def received(
    *, helo: str, peer: str, hostname: str, protocol: str, identifier: str, time: int, recipient: str | None
) -> bytes:
    """Returns a Received field with its line end.

    ``peer`` is an IP address; where it is empty, the field does not say who sent the message to us, because where its
    users are is nobody's concern. ``identifier`` is an id as it is shown, and ``time`` is in µs.
    """
    from_ = ""
    if peer:
        literal = f"[IPv6:{peer}]" if ":" in peer else f"[{peer}]"
        name = helo if _DOMAIN.fullmatch(helo) else literal  # what else was said may not spoil the field
        from_ = f"from {name} ({literal})\r\n\t"
    for_ = f"\r\n\tfor <{recipient}>" if recipient else ""
    return (
        f"Received: {from_}by {hostname} (mpcontinuity) with {protocol} id {identifier}{for_}; {dates.show(time)}\r\n"
    ).encode()


def return_path(reverse_path: str) -> bytes:
    """Returns a Return-Path field with its line end; ``reverse_path`` is empty for the null sender."""
    return f"Return-Path: <{reverse_path}>\r\n".encode()


@lru_cache(maxsize=8)
def _ours(hostname: bytes) -> re.Pattern[bytes]:
    return re.compile(
        rb"\sby\s+%b\s+\(mpcontinuity\)\s+with\s+[A-Z0-9]+\s+id\s+([0-9a-hjkmnp-tv-z]{13})(?=[\s;])"
        % re.escape(hostname),
        re.IGNORECASE,
    )


@lru_cache(maxsize=8)
def _named_by_us(hostname: bytes) -> re.Pattern[bytes]:
    return re.compile(
        rb"^message-id:[ \t]*<([0-9a-hjkmnp-tv-z]{13})@%b>" % re.escape(hostname), re.IGNORECASE | re.MULTILINE
    )


def origin(message: bytes | mmap, hostname: str) -> str | None:
    """Returns the id that tells which message of ours a client has here, or None.

    It is the one in our topmost Received field. What the server itself writes into INBOX (reports, announcements) has
    no such field, and its id in Message-ID.
    """
    header = _HEADER_END.split(message[:_SEARCHED], 1)[0]  # a report has another message in its body
    ours = hostname.lower().encode()
    found = _ours(ours).search(header) or _named_by_us(ours).search(header)
    return found[1].decode().lower() if found is not None else None


class Untrusted:
    """Passes a message on as it arrives, and marks header fields that claim to be ours with the prefix
    ``X-Untrusted-``.

    Such fields are ``X-MPContinuity-*``, and Authentication-Results in the name of our host. Nothing else is changed,
    and the output does not depend on how the stream is cut. At most ``MAX_FIELD`` octets and one piece are held back.

    Received fields are counted on the way, in order to notice loops. The counts are complete once an octet of the body
    came out.

    A message that came by BDAT may have a bare CR or LF, which some take for the end of a line or of the header, and
    others do not. A field counts as one if anybody might see it, up to where the header ends for everybody.
    """

    def __init__(self, hostname: str) -> None:
        self._hostname = hostname.lower().encode()
        self._ours = _ours(self._hostname)
        self._held = b""  # begins with a field, or (``_within``) in the middle of one that was let through
        self._within = False
        self._in_header = True
        self._counting = True  # nobody sees the end of the header yet
        self._before = b"\r\n"  # what came before ``_held``
        self._recipients: Counter[bytes] = Counter()
        self.received = 0

    def ours(self, recipient: str) -> int:
        """Returns how many Received fields we wrote when the message came for this recipient or for several."""
        return self._recipients[recipient.lower().encode()] + self._recipients[b""]

    def feed(self, data: bytes) -> bytes:
        """Takes the next octets, and returns what can be passed on by now."""
        if not self._in_header or self._plain(data):
            return data
        searched = max(len(self._held) - 1, 0)
        held = self._held = self._held + data
        position = 0
        out: list[bytes] = []
        while True:
            if not self._within and held.startswith((b"\n", b"\r"), position):
                self._counting = False
                if held.startswith(b"\r\n", position) and self._before_position(position) == b"\r\n":
                    self._in_header = False
                    break
            end = _FIELD_END.search(held, max(position, searched))
            if end is None:
                break
            out.append(self._passed(held[position : end.end()]))
            self._within = False
            position = end.end()
        return b"".join(out) + self._rest(position)

    def _before_position(self, position: int) -> bytes:
        """The two octets before it in the stream."""
        return (self._before + self._held[max(position - 2, 0) : position])[-2:]

    def _plain(self, data: bytes) -> bool:
        """Whether the message begins with a whole header in which nothing claims to be ours, as nearly every one does.

        Then nothing is taken apart but Received fields.
        """
        if self._held or self._within or data[:1] in _BLANK:
            return False
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return False
        header = b"\n" + data[: end + 2].lower()
        if b"x-mpcontinuity-" in header or b"authentication-results" in header:
            return False
        if b"\nreceived" in header:
            if header.count(b"\n") != header.count(b"\r") + 1:
                return False
            for field in _RECEIVED_FIELD.findall(data, 0, end + 2):
                self._count(field[:MAX_FIELD])
        self._in_header = False
        return True

    def _rest(self, position: int) -> bytes:
        """What can go out of the bytes behind the last complete field."""
        rest = self._held[position:] if position else self._held
        self._before = self._before_position(position)
        if not self._in_header:
            self._held = b""
            return rest
        if self._within or len(rest) > MAX_FIELD:
            keep = 1 if rest.endswith((b"\n", b"\r")) else 0  # whether the field ends with it, the next byte says
            self._held = rest[len(rest) - keep :]
            self._before = (self._before + rest[: len(rest) - keep])[-2:]
            out = self._passed(rest[: len(rest) - keep])
            self._within = True
            return out
        self._held = rest
        return b""

    def finish(self) -> bytes:
        """Returns what was still held back. The message ended within its header."""
        rest, self._held = self._held, b""
        return self._passed(rest) if rest and self._in_header else rest

    def _passed(self, field: bytes) -> bytes:
        """A field as it goes out. Judged by its first ``MAX_FIELD`` octets, also where more of it is there."""
        if self._within or field[0] not in _FIRST:
            return field
        start = field[:15].lower()
        if start.startswith(b"x-mpcontinuity-"):
            return PREFIX + field
        if start.startswith(b"authentication-") and self._claims_results(field[:MAX_FIELD]):
            return PREFIX + field
        if start.startswith(b"received"):
            self._count(field[:MAX_FIELD])
        return field

    def _claims_results(self, field: bytes) -> bool:
        """Whether the authserv-id (RFC 8601 §2.2) is our name; if it cannot be made out, it counts as ours."""
        match = _RESULTS.match(field)
        if not match:
            return False
        position, depth = match.end(), 0
        while position < len(field):
            byte = field[position : position + 1]
            if byte == b"\\" and depth:
                position += 1
            elif byte == b"(":
                depth += 1
            elif byte == b")" and depth:
                depth -= 1
            elif not depth and not byte.isspace():
                token = _TOKEN.match(field, position)
                name = (token[1] or token[2] or b"") if token else b""
                return name.replace(b"\\", b"").rstrip(b".").lower() == self._hostname
            position += 1
        return len(field) >= MAX_FIELD

    def _count(self, field: bytes) -> None:
        match = _RECEIVED.match(field)
        if not match:
            return
        if not self._counting:
            return
        self.received += 1
        if self.received > MAX_COUNTED:
            return
        ours = self._ours.search(field)
        if ours is not None:
            recipient = _FOR.match(field, ours.end())
            self._recipients[recipient[1].lower() if recipient else b""] += 1
