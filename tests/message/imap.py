"""A reader of IMAP's parenthesised lists: what a client makes of ENVELOPE and BODYSTRUCTURE. Strict."""

from __future__ import annotations

import re
from typing import Any

_ATOM = re.compile(rb"NIL|[0-9]+")
_QUOTED = re.compile(rb'"((?:[^"\\\r\n\x00\x80-\xff]|\\["\\])*)"')
_LITERAL = re.compile(rb"\{([0-9]+)\}\r\n")


def read(data: bytes) -> Any:
    """bytes, int, None or lists of them. Raises AssertionError for what is not exactly one value."""
    value, end = _value(data, 0)
    assert end == len(data), data[end:]
    return value


def _value(data: bytes, at: int) -> tuple[Any, int]:
    if data[at : at + 1] == b"(":
        items = []
        at += 1
        while data[at : at + 1] != b")":
            item, at = _value(data, at)
            items.append(item)
            if data[at : at + 1] == b" ":
                at += 1
                assert data[at : at + 1] != b")"
            else:  # only lists may stand side by side (addresses, the parts of a multipart)
                assert data[at : at + 1] == b")" or (isinstance(item, list) and data[at : at + 1] == b"("), data[at:]
        assert items, "IMAP has no empty list here"
        return items, at + 1
    if match := _QUOTED.match(data, at):
        return re.sub(rb"\\(.)", rb"\1", match[1]), match.end()
    if match := _LITERAL.match(data, at):
        end = match.end() + int(match[1])
        text = data[match.end() : end]
        assert len(text) == int(match[1])
        assert b"\0" not in text
        return text, end
    match = _ATOM.match(data, at)
    assert match, data[at:]
    return (None if match[0] == b"NIL" else int(match[0])), match.end()
