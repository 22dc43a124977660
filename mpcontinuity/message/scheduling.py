"""Writes the answer to an invitation, as calendars exchange it by mail (RFC 5546 §3.2.3, RFC 6047)."""

from __future__ import annotations

import re
from typing import Final, Literal

from mpcontinuity.message.display.shown import Invitation
from mpcontinuity.model.clock import SECOND, iso

Answer = Literal["accepted", "tentative", "declined"]
ANSWERS: Final[tuple[Answer, ...]] = ("accepted", "tentative", "declined")
KIND: Final = "text/calendar; method=REPLY"  # of the part of the message (RFC 6047 §2.4)
LONGEST_COMMENT: Final = 1_000  # characters

_LINE: Final = 75  # octets (RFC 5545 §3.1)
_CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def reply(invitation: Invitation, answer: Answer, *, comment: str, time: int) -> str:
    """Returns the calendar in which somebody who was invited says whether they come; ``time`` is in µs.

    The invitation has to be one that can be answered (`Invitation.invited`): what is repeated of it was looked at when
    it was read.
    """
    lines = ["BEGIN:VCALENDAR", "PRODID:-//mpcontinuity//webmail//EN", "VERSION:2.0", "METHOD:REPLY"]
    if invitation.zone:
        lines += invitation.zone.split("\n")
    lines += ["BEGIN:VEVENT", f"UID:{invitation.uid}", f"SEQUENCE:{invitation.sequence}"]
    if invitation.recurrence:
        lines.append(invitation.recurrence)
    lines.append(f"DTSTAMP:{_stamp(time)}")
    lines.append(f"ORGANIZER:mailto:{invitation.organizer.address}")
    lines.append(f"ATTENDEE;PARTSTAT={answer.upper()}:mailto:{invitation.invited}")
    if invitation.summary:
        lines.append(f"SUMMARY:{_escaped(invitation.summary)}")
    if comment:
        lines.append(f"COMMENT:{_escaped(comment[:LONGEST_COMMENT])}")
    lines += ["END:VEVENT", "END:VCALENDAR"]
    return "\r\n".join([*map(_folded, lines), ""])


def _stamp(time: int) -> str:
    return re.sub("[-:]", "", iso(time // SECOND * SECOND)[:19]) + "Z"


def _escaped(text: str) -> str:
    """RFC 5545 §3.3.11."""
    text = text.replace("\r\n", "\n").replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    return _CONTROLS.sub(" ", text).replace("\n", "\\n")


def _folded(line: str) -> str:
    """In lines of 75 octets, between characters."""
    pieces, piece, room = [], "", _LINE
    for sign in line:
        octets = len(sign.encode("utf-8", "replace"))
        if octets > room:
            pieces.append(piece)
            piece, room = " ", _LINE - 1
        piece += sign
        room -= octets
    return "\r\n".join([*pieces, piece])
