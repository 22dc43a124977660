"""Reads what a calendar asks (RFC 5545, RFC 5546): the first event of a text/calendar part, in one pass."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final

import msgspec

from mpcontinuity.message.display.shown import Invitation, Person
from mpcontinuity.model.address import BadAddress, parse
from mpcontinuity.model.visible import visible

LONGEST: Final = 256 * 1024  # characters that are looked at
_MOST_ATTENDEES: Final = 50  # that are listed: more are counted
_MOST_TEXT: Final = 500  # characters of what is shown
_LONGEST_UID: Final = 1_000  # characters: an answer has to have all of it
_LONGEST_ZONES: Final = 16 * 1024  # characters of the rules of time zones that an answer may have to repeat
_FOLD = re.compile(r"\r?\n[ \t]")
_NAME = re.compile(r"[A-Za-z0-9-]{1,40}")
_PARAMETER = re.compile(r';([A-Za-z0-9-]{1,40})=(?:"([^"\n]*+)"|([^;:"\n]*+))')
_TIME = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?:T([0-9]{2})([0-9]{2})[0-9]{2}(Z?))?")
_ESCAPE = re.compile(r"\\([\\;,nN])")
_WANTED: Final = frozenset(
    re.findall(
        r"[\w-]+",
        "SUMMARY DTSTART DTEND DURATION LOCATION ORGANIZER RRULE RDATE UID SEQUENCE COMMENT RECURRENCE-ID",
    )
)
# What is repeated in an answer is of these signs alone: nothing in it ends its line, also for readers to whom U+2028
# does, and halves of pairs (surrogates) could not be written at all.
_REPEATED = re.compile(r"[ -~\u00a1-\u2027\u202a-\ud7ff\ue000-\ufffd]{1,1000}")
_ZONE_NAME = re.compile(r"[ !#-+\--9<-~]{1,80}")  # in quotes (RFC 5545 §3.1)
_ONE_OF_MANY = re.compile(r"[0-9]{8}(?:T[0-9]{6}Z?)?")
_ZONE_LINES: Final = frozenset(re.findall(r"\w+", "BEGIN END TZID DTSTART TZOFFSETFROM TZOFFSETTO TZNAME RRULE RDATE"))
_ZONE_PARTS: Final = frozenset({"VTIMEZONE", "STANDARD", "DAYLIGHT"})
_ZONE_VALUE = re.compile(r"[ -~]{0,200}")
_STATUSES: Final = frozenset({"accepted", "declined", "tentative", "delegated"})
_Property = tuple[dict[str, str], str]
_NONE: Final[_Property] = ({}, "")


def read(text: str, addresses: Collection[str] = ()) -> Invitation | None:
    """Returns what the calendar asks; None where there is no event in it. Never raises.

    ``addresses`` are those of whoever is shown it.
    """
    found = _Found(addresses)
    for name, parameters, value in _properties(text[:LONGEST]):
        if not found.takes(name, parameters, value):
            break
    return found.invitation()


class _Found:
    """What has been read so far."""

    def __init__(self, addresses: Collection[str]) -> None:
        self._own = _keys(addresses)
        self._domains = {key.rpartition("@")[2] for key in self._own}
        self._method = ""
        self._kind = ""
        self._depth = 0  # within the event; alarms are within it again
        self._event: dict[str, _Property] = {}
        self._attendees: list[Person] = []
        self._count = 0
        self._invited = ""
        self._status = ""
        self._zones = _Zones()

    def takes(self, name: str, parameters: dict[str, str], value: str) -> bool:
        """Takes the next property, and returns whether more are wanted."""
        if not self._depth and not self._zones.takes(name, value):
            if name == "METHOD":
                self._method = value.strip().lower()[:20]
            elif name == "BEGIN" and value.strip().upper() in ("VEVENT", "VTODO"):
                self._kind, self._depth = value.strip().lower(), 1
        elif self._depth and name == "BEGIN":
            self._depth += 1
        elif self._depth and name == "END":
            self._depth -= 1
            return self._depth > 0
        elif self._depth == 1 and name == "ATTENDEE":
            self._attendee(parameters, value)
        elif self._depth == 1 and name in _WANTED:
            self._event.setdefault(name, (parameters, value))
        return True

    def _attendee(self, parameters: dict[str, str], value: str) -> None:
        self._count += 1
        if self._count <= _MOST_ATTENDEES:
            self._attendees.append(_person(parameters, value))
        status = parameters.get("PARTSTAT", "").lower()
        status = status if status in _STATUSES else ""
        if self._method == "reply":
            self._status = self._status or status
        elif not self._invited:
            address = _address(value)
            if address.rpartition("@")[2].lower() in self._domains and _keys([address]) & self._own:
                self._invited, self._status = address, status

    def invitation(self) -> Invitation | None:
        event = self._event
        if not event:
            return None
        sequence = event.get("SEQUENCE", _NONE)[1].strip()[:9]
        found = Invitation(
            method=visible(self._method) or "publish",
            summary=_text(event.get("SUMMARY", _NONE)[1]),
            start=_time(*event.get("DTSTART", _NONE)),
            end=_time(*event.get("DTEND", _NONE)) or _text(event.get("DURATION", _NONE)[1])[:40],
            place=_text(event.get("LOCATION", _NONE)[1]),
            organizer=_person(*event.get("ORGANIZER", _NONE)),
            attendees=tuple(self._attendees),
            repeats="RRULE" in event or "RDATE" in event,
            uid=event.get("UID", _NONE)[1].strip()[:_LONGEST_UID],
            sequence=int(sequence) if sequence.isascii() and sequence.isdigit() else 0,
            more=self._count - len(self._attendees),
            status=self._status,
            comment=_text(event.get("COMMENT", _NONE)[1]) if self._method == "reply" else "",
            one_of_many="RECURRENCE-ID" in event,
        )
        return self._answerable(found) if self._invited and self._method == "request" else found

    def _answerable(self, found: Invitation) -> Invitation:
        """With what an answer needs, where it can be repeated as it is (RFC 5546 §3.2.3)."""
        uid = self._event.get("UID", _NONE)[1].strip()
        recurrence, zone = "", ""
        if found.one_of_many:
            recurrence, name = _recurrence(*self._event["RECURRENCE-ID"])
            zone = self._zones.lines(name) if name else ""
        sound = self._kind == "vevent" and _REPEATED.fullmatch(uid) and (recurrence or not found.one_of_many)
        if not sound or not _keys([found.organizer.address]) or _keys([found.organizer.address]) & self._own:
            return found
        return msgspec.structs.replace(found, invited=self._invited, recurrence=recurrence, zone=zone)


class _Zones:
    """The rules of time zones, of which nothing is kept but what rules consist of."""

    def __init__(self) -> None:
        self._read: dict[str, list[str]] = {}
        self._now: list[str] | None = None
        self._name = ""
        self._room = _LONGEST_ZONES

    def takes(self, name: str, value: str) -> bool:
        """Returns whether a property belongs to a time zone."""
        value = value.strip()
        if self._now is None:
            if name != "BEGIN" or value.upper() != "VTIMEZONE":
                return False
            self._now, self._name = ["BEGIN:VTIMEZONE"], ""
            return True
        known = name in _ZONE_LINES and _ZONE_VALUE.fullmatch(value) is not None
        if known and (name not in ("BEGIN", "END") or value.upper() in _ZONE_PARTS):
            self._room -= len(name) + len(value) + 3
            if self._room > 0:
                self._now.append(f"{name}:{value}")
        if name == "TZID":
            self._name = value
        if name == "END" and value.upper() == "VTIMEZONE":
            if self._room > 0:
                self._read.setdefault(self._name, self._now)
            self._now = None
        return True

    def lines(self, name: str) -> str:
        return "\n".join(self._read.get(name, ()))


def _keys(addresses: Collection[str]) -> set[str]:
    """Each with its tag, and without it."""
    found: set[str] = set()
    for each in addresses:
        try:
            address = parse(each)
        except BadAddress:
            continue
        found |= {address.key, address.untagged_key}
    return found


def _recurrence(parameters: dict[str, str], value: str) -> tuple[str, str]:
    """The property as an answer has it, and the name of its time zone; both are empty for what is none."""
    value, zone = value.strip(), parameters.get("TZID", "")
    if not _ONE_OF_MANY.fullmatch(value) or (zone and not _ZONE_NAME.fullmatch(zone)):
        return "", ""
    if len(value) == 8:
        return f"RECURRENCE-ID;VALUE=DATE:{value}", ""
    if value.endswith("Z") or not zone:
        return f"RECURRENCE-ID:{value}", ""
    return f'RECURRENCE-ID;TZID="{zone}":{value}', zone


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


def _address(value: str) -> str:
    value = value.strip()
    return (value[7:] if value[:7].lower() == "mailto:" else value)[:320]


def _person(parameters: dict[str, str], value: str) -> Person:
    return Person(_text(parameters.get("CN", "")), visible(_address(value)))


def _time(parameters: dict[str, str], value: str) -> str:
    match = _TIME.match(value.strip())
    if match is None:
        return ""
    day = f"{match[1]}-{match[2]}-{match[3]}"
    if match[4] is None:
        return day
    zone = "UTC" if match[6] else visible(parameters.get("TZID", "")[:60])
    return f"{day} {match[4]}:{match[5]} {zone}".rstrip()
