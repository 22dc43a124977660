"""Names of files that strangers chose, made such that no system and no eye is misled by them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

LONGEST: Final = 120  # characters: with their UTF-8 below the 255 octets of file systems where most are ASCII
_LONGEST_OCTETS: Final = 240
_EXTENSION: Final = 12  # characters of what is kept behind the last dot
_FORBIDDEN: Final = frozenset('\\/:*?"<>|')
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)  # of Windows
_HIDING: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_BLANKS = re.compile(r"\s++")

# What browsers call files of a type where the sender gave no name.
_ENDINGS: Final = {
    "text/plain": "txt",
    "text/html": "html",
    "text/calendar": "ics",
    "text/csv": "csv",
    "message/rfc822": "eml",
    "application/pdf": "pdf",
    "application/pgp-signature": "asc",
    "application/pkcs7-signature": "p7s",
    "application/pkcs7-mime": "p7m",
    "application/zip": "zip",
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
}


def file_name(given: str, kind: str, number: int) -> str:
    """Returns a name for a file of which a message says that it has the name ``given``, which may be empty.

    It is no path, has no sign that hides or turns others around, and is none that a system keeps for itself. ``number``
    is which attachment it is.
    """
    text = unicodedata.normalize("NFC", given[: 8 * LONGEST])
    text = "".join(["_" if each in _FORBIDDEN else each for each in text if unicodedata.category(each) not in _HIDING])
    text = _BLANKS.sub(" ", text).strip(" .")
    if not text:
        ending = _ENDINGS.get(kind, "bin")
        return f"attachment-{number}.{ending}"
    if _RESERVED.fullmatch(text):
        text = f"_{text}"
    return _short(text)


def _short(text: str) -> str:
    stem, dot, ending = text.rpartition(".")
    if not dot or not stem or len(ending) > _EXTENSION:
        stem, dot, ending = text, "", ""
    stem = stem[: LONGEST - len(dot + ending)]
    while len((stem + dot + ending).encode("utf-8", "replace")) > _LONGEST_OCTETS:
        stem = stem[:-1]
    return stem + dot + ending


def unique(names: Iterable[str]) -> list[str]:
    """Returns the names, of which those that came before are numbered: ``a.pdf``, ``a (2).pdf``. Case is no
    difference, as on most systems."""
    counts: dict[str, int] = {}
    found: list[str] = []
    for name in names:
        each = name
        while each.casefold() in counts:
            counts[name.casefold()] += 1
            stem, dot, ending = name.rpartition(".")
            mark = f" ({counts[name.casefold()]})"
            each = f"{stem}{mark}.{ending}" if dot and stem else f"{name}{mark}"
        counts.setdefault(each.casefold(), 1)
        found.append(each)
    return found


def disposition(name: str, *, kind: str = "attachment") -> bytes:
    """Returns the value of Content-Disposition for a file of that name (RFC 6266 §4, RFC 8187)."""
    plain = "".join([each if each.isascii() and each.isprintable() and each not in '"\\%' else "_" for each in name])
    text = f'{kind}; filename="{plain}"'
    if plain != name:
        text += f"; filename*=UTF-8''{quote(name, safe='')}"
    return text.encode("ascii")
