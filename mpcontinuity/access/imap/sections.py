"""FETCH items compiled, once per command, to functions of a row (design 10)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter

from mpcontinuity.mailbox.read import FLAGS, INTERNALDATE, RENDERED, SIZE, UID, Row
from mpcontinuity.message import rendered
from mpcontinuity.message.render import Segment
from mpcontinuity.message.rendered import HeaderNames
from mpcontinuity.protocols.imap import objectids
from mpcontinuity.protocols.imap.dates import date_time
from mpcontinuity.protocols.imap.items import Attribute, Item, Section
from mpcontinuity.protocols.imap.response import literal


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a message to be read from its body, from octet ``start`` to ``stop``.

    With ``names`` it is a header of which the fields of those names are chosen."""

    section: Section
    start: int
    stop: int
    names: HeaderNames | None = None

    def cut(self) -> Piece:
        """Returns the piece with the partial fetch applied, where that can be done before reading."""
        if self.names is not None or self.section.partial is None:
            return self
        first, count = self.section.partial
        start = min(self.start + first, self.stop)
        return Piece(self.section, start, min(start + count, self.stop))

    def answer(self, data: bytes) -> bytes:
        """Returns the item for the answer, made of the octets as they were read."""
        if self.names is None:
            return self.section.label + b" " + literal(data)
        return answer(self.section, self.names.pick(data))


Part = bytes | Piece


def answer(section: Section, data: bytes) -> bytes:
    """Returns a section with its name and its octets, or those of them that were asked for."""
    if section.partial is not None:
        first, count = section.partial
        data = data[first : first + count]
    return section.label + b" " + literal(data)


Value = Callable[[Row], bytes | int]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a FETCH needs of each message, worked out once per command.

    ``template`` is filled with one of ``values`` after the other, for which the body is never read. ``sections`` are
    parts of the message; where ``body`` is False they are read from what was rendered, and from the body only where a
    header was too long for that. ``rendered`` and ``segments`` say what is needed of what was rendered (a mask of
    Segment). ``sees`` says that \\Seen is set, and ``flags`` that the flags are asked for. ``objects`` is None unless
    object identifiers are; then it is filled with the content and the conversation of each message, by UID, before it
    is answered."""

    template: bytes
    values: Sequence[Value]
    sections: Sequence[Callable[[Row], Part]]
    rendered: bool
    segments: int
    body: bool
    sees: bool
    flags: bool
    objects: dict[int, tuple[int, int]] | None

    def attributes(self, row: Row) -> bytes:
        return self.template % tuple([value(row) for value in self.values])


_SEGMENTS = {
    Attribute.ENVELOPE: Segment.ENVELOPE,
    Attribute.BODY: Segment.BODY,
    Attribute.BODYSTRUCTURE: Segment.BODY,
}


def compile_items(items: Sequence[Item], flags_text: Callable[[int, int], bytes]) -> Plan:
    """Returns what a FETCH of these items needs.

    ``flags_text`` returns the flags of a message, given its UID and mask.
    """
    objects: dict[int, tuple[int, int]] = {}
    attributes: dict[Attribute, tuple[bytes, Value]] = {
        Attribute.UID: (b"UID %d", itemgetter(UID)),
        Attribute.FLAGS: (b"%b", lambda row: flags_text(row[UID], row[FLAGS])),
        Attribute.INTERNALDATE: (b"INTERNALDATE %b", lambda row: date_time(row[INTERNALDATE])),
        Attribute.SIZE: (b"RFC822.SIZE %d", itemgetter(SIZE)),
        Attribute.ENVELOPE: (b"ENVELOPE %b", lambda row: rendered.envelope(row[RENDERED] or b"")),
        Attribute.BODY: (b"BODY %b", lambda row: rendered.body(row[RENDERED] or b"")),
        Attribute.BODYSTRUCTURE: (b"BODYSTRUCTURE %b", lambda row: rendered.bodystructure(row[RENDERED] or b"")),
        Attribute.EMAILID: (b"EMAILID (%b)", lambda row: objectids.of_email(objects[row[UID]][0])),
        Attribute.THREADID: (b"THREADID %b", lambda row: _thread(objects[row[UID]][1])),
    }
    asked = [item for item in items if isinstance(item, Attribute)]
    sections = [item for item in items if isinstance(item, Section)]
    segments = 0
    for item in items:
        segments |= _SEGMENTS.get(item, 0) if isinstance(item, Attribute) else Segment.PARTS if item.path else 0
    sees = any(not section.peek for section in sections)
    return Plan(
        template=b" ".join(attributes[item][0] for item in asked),
        values=[attributes[item][1] for item in asked],
        sections=[_compile_section(section) for section in sections],
        rendered=bool(segments) or any(section.text for section in sections),
        segments=int(segments),
        body=sees or any(section.path or not section.text.startswith("HEADER") for section in sections),
        sees=sees,
        flags=Attribute.FLAGS in asked,
        objects=objects if {Attribute.EMAILID, Attribute.THREADID}.intersection(asked) else None,
    )


def _thread(conversation: int) -> bytes:
    """NIL until its conversation is known, which for mail of an older version takes a while (RFC 8474 §5.2)."""
    return b"(" + objectids.of_thread(conversation) + b")" if conversation else b"NIL"


def _compile_section(section: Section) -> Callable[[Row], Part]:
    if not section.path and not section.text:
        return lambda row: Piece(section, 0, row[SIZE]).cut()
    if section.names:
        names = HeaderNames(section.names, exclude=section.text == "HEADER.FIELDS.NOT")
        return partial(_fields, section, names)
    if not section.path and section.text == "HEADER":
        return partial(_header, section)
    return partial(_located, section, section.text, None)


def _header(section: Section, row: Row) -> Part:
    header = rendered.header(row[RENDERED] or b"")
    return _located(section, "HEADER", None, row) if header is None else answer(section, header)


def _fields(section: Section, names: HeaderNames, row: Row) -> Part:
    if not section.path:
        found = rendered.fields(row[RENDERED] or b"", names)
        if found is not None:
            return answer(section, found)
    return _located(section, "HEADER", names, row)


def _located(section: Section, text: str, names: HeaderNames | None, row: Row) -> Part:
    place = rendered.section(row[RENDERED] or b"", section.path, text)
    if place is None:
        return section.label + b" NIL"
    start, length = place
    return Piece(section, start, start + length, names).cut()
