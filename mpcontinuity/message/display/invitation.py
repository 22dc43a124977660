"""Reads what a calendar asks (RFC 5545, RFC 5546): the first event of a text/calendar part, in one pass."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from mpcontinuity.message.display.shown import Invitation, Person
from mpcontinuity.model.visible import visible

LONGEST: Final = 256 * 1024  # characters that are looked at
_MOST_ATTENDEES: Final = 50
_MOST_TEXT: Final = 500  # characters of what is shown
_FOLD = re.compile(r"\r?\n[ \t]")
_NAME = re.compile(r"[A-Za-z0-9-]{1,40}")
_PARAMETER = re.compile(r';([A-Za-z0-9-]{1,40})=(?:"([^"\n]*+)"|([^;:"\n]*+))')
_TIME = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?:T([0-9]{2})([0-9]{2})[0-9]{2}(Z?))?")
_ESCAPE = re.compile(r"\\([\\;,nN])")
_WANTED: Final = frozenset(
    re.findall(
        r"[\w-]+",
        "SUMMARY DTSTART DTEND DURATION LOCATION ORGANIZER ATTENDEE RRULE RDATE UID SEQUENCE ",
    )
)
_Property = tuple[dict[str, str], str]


def read(text: str) -> Invitation | None:
    """Returns what the calendar asks; None where there is no event in it. Never raises."""
    method = ""
    found: dict[str, _Property] = {}
    attendees: list[Person] = []
    depth = 0  # within the event; alarms are within it again
    for name, parameters, value in _properties(text[:LONGEST]):
        if name == "METHOD" and not depth:
            method = value.strip().lower()[:20]
        elif name == "BEGIN" and (depth or value.strip().upper() in ("VEVENT", "VTODO")):
            depth += 1
        elif name == "END" and depth:
            depth -= 1
            if not depth:
                break
        elif depth == 1 and name == "ATTENDEE" and len(attendees) < _MOST_ATTENDEES:
            attendees.append(_person(parameters, value))
        elif depth == 1 and name in _WANTED:
            found.setdefault(name, (parameters, value))
    if not found:
        return None
    none: _Property = ({}, "")
    sequence = found.get("SEQUENCE", none)[1].strip()[:9]
    return Invitation(
        method=visible(method) or "publish",
        summary=_text(found.get("SUMMARY", none)[1]),
        start=_time(*found.get("DTSTART", none)),
        end=_time(*found.get("DTEND", none)) or _text(found.get("DURATION", none)[1])[:40],
        place=_text(found.get("LOCATION", none)[1]),
        organizer=_person(*found.get("ORGANIZER", none)),
        attendees=tuple(attendees),
        repeats="RRULE" in found or "RDATE" in found,
        uid=found.get("UID", none)[1].strip()[:_MOST_TEXT],
        sequence=int(sequence) if sequence.isascii() and sequence.isdigit() else 0,
    )


def _properties(text: str) -> Iterator[tuple[str, dict[str, str], str]]:
    for line in _FOLD.sub("", text).split("\n"):
        named = _NAME.match(line)
        if named is None:
            continue
        at = named.end()
        parameters: dict[str, str] = {}
        while (match := _PARAMETER.match(line, at)) is not None and len(parameters) < 20:
            parameters.setdefault(match[1].upper(), match[2] if match[2] is not None else match[3])
            at = match.end()
        if line.startswith(":", at):
            yield named[0].upper(), parameters, line[at + 1 :].rstrip("\r")


def _text(value: str) -> str:
    plain = _ESCAPE.sub(lambda match: " " if match[1] in "nN" else match[1], value[: 2 * _MOST_TEXT])
    return visible(plain.strip()[:_MOST_TEXT])


def _person(parameters: dict[str, str], value: str) -> Person:
    value = value.strip()
    address = value[7:] if value[:7].lower() == "mailto:" else value
    return Person(_text(parameters.get("CN", "")), visible(address[:320]))


def _time(parameters: dict[str, str], value: str) -> str:
    match = _TIME.match(value.strip())
    if match is None:
        return ""
    day = f"{match[1]}-{match[2]}-{match[3]}"
    if match[4] is None:
        return day
    zone = "UTC" if match[6] else visible(parameters.get("TZID", "")[:60])
    return f"{day} {match[4]}:{match[5]} {zone}".rstrip()
