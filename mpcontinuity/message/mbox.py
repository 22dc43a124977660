"""Messages in the format mboxrd, in which a file has one behind the other (RFC 4155)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO, Final

_PIECE: Final = 64 * 1024
_LONG: Final = 1 << 20  # octets of a line that is looked at as a whole
_FROM: Final = re.compile(rb"^(>*From )", re.MULTILINE)


def separated(sender: str, received: str, content: IO[bytes]) -> Iterator[bytes]:
    """Yields the octets of one message in an mbox, in pieces: its separator, its lines with LF at their ends, and a
    blank line.

    ``sender`` is the address in the separator, and ``received`` its time, in ISO 8601. Lines that begin with From are
    quoted so that it can be undone.
    """
    named = "_".join(sender.split()) or "MAILER-DAEMON"
    time = datetime.fromisoformat(received).astimezone(UTC)
    yield f"From {named} {time:%a %b} {time.day:2} {time:%H:%M:%S %Y}\n".encode("ascii", "replace")
    begun = True  # at the beginning of a line
    for lines in unix_lines(content):
        quoted = _FROM.sub(rb">\1", lines)
        if not begun and _FROM.match(lines):
            quoted = quoted[1:]
        yield quoted
        begun = lines.endswith(b"\n")
    yield b"\n" if begun else b"\n\n"


def unix_lines(content: IO[bytes]) -> Iterator[bytes]:
    """Yields whole lines, many at a time and with LF at their ends; a line of more than 1 MiB comes in pieces."""
    held = b""
    while piece := content.read(_PIECE):
        held += piece
        cut = held.rfind(b"\n") + 1
        if not cut:
            if len(held) < _LONG:
                continue
            cut = len(held) - held.endswith(b"\r")
        yield held[:cut].replace(b"\r\n", b"\n")
        held = held[cut:]
    if held:
        yield held
