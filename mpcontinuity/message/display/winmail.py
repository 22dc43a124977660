"""Finds the names of files in Outlook's winmail.dat, which no other program shows (TNEF, [MS-OXTNEF] §2.1)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from mpcontinuity.message.charset import decode

LONGEST: Final = 32 << 20  # octets that are looked at
MOST: Final = 100  # names
_SIGNATURE: Final = b"\x78\x9f\x3e\x22"
_ATTRIBUTE = struct.Struct("<BII")  # level, what it is, octets
_TITLE: Final = 0x00018010  # attAttachTitle
_MOST_ATTRIBUTES: Final = 10_000
_LONGEST_NAME: Final = 500


def names(data: bytes) -> tuple[str, ...]:
    """Returns the names of the files in it. Never raises."""
    return tuple(name for name, _ in zip(_names(data), range(MOST), strict=False))


def _names(data: bytes) -> Iterator[str]:
    if not data.startswith(_SIGNATURE):
        return
    at = 6  # behind a key
    for _ in range(_MOST_ATTRIBUTES):
        if at + _ATTRIBUTE.size > len(data):
            return
        level, what, length = _ATTRIBUTE.unpack_from(data, at)
        at += _ATTRIBUTE.size
        if level not in (1, 2):
            return
        if what == _TITLE:
            yield decode(data[at : min(at + length, at + _LONGEST_NAME)].split(b"\0", 1)[0])
        at += length + 2  # and a sum
