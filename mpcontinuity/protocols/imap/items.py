"""The items of FETCH (RFC 3501 §6.4.5) as values."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from mpcontinuity.protocols.imap.cursor import BadSyntax, Cursor
from mpcontinuity.protocols.imap.limits import FETCH_ITEMS, PART_DEPTH
from mpcontinuity.protocols.imap.response import astring


class Attribute(enum.Enum):
    """An item that is answered from the index alone."""

    UID = b"UID"
    FLAGS = b"FLAGS"
    INTERNALDATE = b"INTERNALDATE"
    SIZE = b"RFC822.SIZE"
    ENVELOPE = b"ENVELOPE"
    BODY = b"BODY"
    BODYSTRUCTURE = b"BODYSTRUCTURE"
    EMAILID = b"EMAILID"  # RFC 8474 §5
    THREADID = b"THREADID"


@dataclass(frozen=True, slots=True)
class Section:
    """An item that is a part of the message.

    ``label`` is its name in the answer, with the origin octet where a part of it was asked for.
    """

    label: bytes
    path: tuple[int, ...] = ()
    text: str = ""  # "", HEADER, HEADER.FIELDS, HEADER.FIELDS.NOT, TEXT or MIME
    names: tuple[bytes, ...] = ()  # of header fields, as the client wrote them
    peek: bool = False  # whether \Seen stays as it is
    partial: tuple[int, int] | None = None  # first octet, number of octets


Item = Attribute | Section

_MACROS: dict[bytes, tuple[Item, ...]] = {
    b"FAST": (Attribute.FLAGS, Attribute.INTERNALDATE, Attribute.SIZE),
    b"ALL": (Attribute.FLAGS, Attribute.INTERNALDATE, Attribute.SIZE, Attribute.ENVELOPE),
    b"FULL": (Attribute.FLAGS, Attribute.INTERNALDATE, Attribute.SIZE, Attribute.ENVELOPE, Attribute.BODY),
}
_NAMES: dict[bytes, Item] = {attribute.value: attribute for attribute in Attribute} | {
    b"RFC822": Section(b"RFC822"),
    b"RFC822.HEADER": Section(b"RFC822.HEADER", text="HEADER", peek=True),
    b"RFC822.TEXT": Section(b"RFC822.TEXT", text="TEXT"),
    # Of RFC 1730, and Outlook still asks for them.
    b"RFC822.PEEK": Section(b"RFC822", peek=True),
    b"RFC822.TEXT.PEEK": Section(b"RFC822.TEXT", text="TEXT", peek=True),
}
_NAME = re.compile(rb"[A-Za-z0-9.]+")
_PATH = re.compile(rb"[1-9][0-9]{0,9}(?:\.[1-9][0-9]{0,9})*")
_SECTION_TEXT = re.compile(rb"HEADER\.FIELDS\.NOT|HEADER\.FIELDS|HEADER|TEXT|MIME", re.IGNORECASE)
_PARTIAL = re.compile(rb"<([0-9]{1,10})\.([1-9][0-9]{0,9})>")
_FIELD_NAME = re.compile(rb"[\x21-\x39\x3b-\x7e]+")  # RFC 5322 §2.2


def parse_items(cursor: Cursor) -> tuple[Item, ...]:
    """Reads the items of a FETCH: a macro, one item, or several in parentheses.

    An item that is asked for twice counts once.
    """
    if not cursor.opens():
        return _macro_or_item(cursor)
    items: dict[Item, None] = {}
    while True:
        items[_item(cursor, _name(cursor))] = None
        if len(items) > FETCH_ITEMS:
            raise BadSyntax(f"one FETCH asks for {FETCH_ITEMS} items at most")
        if cursor.closes():
            return tuple(items)
        cursor.space()


def _name(cursor: Cursor) -> bytes:
    return cursor.take(_NAME, "a FETCH item").upper()


def _macro_or_item(cursor: Cursor) -> tuple[Item, ...]:
    name = _name(cursor)
    return _MACROS.get(name) or (_item(cursor, name),)


def _item(cursor: Cursor, name: bytes) -> Item:
    if name in (b"BODY", b"BODY.PEEK") and cursor.accept(b"["):
        return _section(cursor, peek=name == b"BODY.PEEK")
    if name not in _NAMES:
        raise BadSyntax(f"{name.decode('ascii')[:40]} is no FETCH item")
    return _NAMES[name]


def _section(cursor: Cursor, *, peek: bool) -> Section:
    path_text = cursor.match(_PATH)
    path: tuple[int, ...] = ()
    if path_text is not None:
        path = tuple(int(number) for number in path_text.group().split(b"."))
        if len(path) > PART_DEPTH:
            raise BadSyntax(f"a part path has {PART_DEPTH} numbers at most")
    text = ""
    if not cursor.at(b"]") and (not path or cursor.accept(b".")):
        text = cursor.take(_SECTION_TEXT, "a section").upper().decode("ascii")
        if text == "MIME" and not path:
            raise BadSyntax("MIME is a section of a part only")
    names: tuple[bytes, ...] = ()
    if text.startswith("HEADER.FIELDS"):
        cursor.space()
        names = _field_names(cursor)
    cursor.expect(b"]")
    label = _label(path, text, names)
    partial = cursor.match(_PARTIAL)
    if partial is None:
        return Section(label, path, text, names, peek)
    first, count = int(partial.group(1)), int(partial.group(2))
    return Section(label + b"<%d>" % first, path, text, names, peek, (first, count))


def _field_names(cursor: Cursor) -> tuple[bytes, ...]:
    cursor.open()
    names = []
    while True:
        name = cursor.astring("the name of a header field")
        if not _FIELD_NAME.fullmatch(name):
            raise BadSyntax("that is no name of a header field")
        names.append(name)
        if cursor.closes():
            return tuple(names)
        cursor.space()


def _label(path: tuple[int, ...], text: str, names: tuple[bytes, ...]) -> bytes:
    section = ".".join((*(str(number) for number in path), *((text,) if text else ()))).encode("ascii")
    if names:
        section += b" (" + b" ".join(astring(name) for name in names) + b")"
    return b"BODY[" + section + b"]"
