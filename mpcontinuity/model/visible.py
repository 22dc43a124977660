"""Text from outside made harmless for the eyes of administrators: nothing in it moves a cursor or hides something.

A subject may have the octets that change the colours of a terminal, or a mark of direction that shows ``gpj.exe`` as
``exe.jpg``.
"""

from __future__ import annotations

import unicodedata

# Controls, formats (among them directions, joiners, tags and what has no width), halves of pairs, ends of lines.
_HIDING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_NAMED = {"\t": " ", "\n": "\\n", "\r": "\\r"}


def visible(text: str) -> str:
    r"""Returns the text in one line: a tab is a blank, and what would not show is written as ``\x1b`` or ``\u202e``."""
    if text.isprintable():
        return text
    return "".join([each if each.isprintable() else _shown(each) for each in text])


def _shown(character: str) -> str:
    if character in _NAMED:
        return _NAMED[character]
    if unicodedata.category(character) not in _HIDING:
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def json_visible(text: str) -> str:
    r"""Returns JSON that means the same, with what would not show written as ``\u202e`` (RFC 8259 §7).

    Line ends are kept.
    """
    if text.isprintable():
        return text
    return "".join([each if each == "\n" or each.isprintable() else _escaped(each) for each in text])


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
