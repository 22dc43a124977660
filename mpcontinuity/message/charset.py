"""Bytes to text by the charset that a message names, or by what mail really contains where that is wrong."""

from __future__ import annotations

import codecs
from functools import lru_cache
from typing import Final

# Not character sets of mail, or costly on purpose (punycode is quadratic): their names are treated as unknown.
_REFUSED: Final = frozenset(("idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"))

# Names that mail uses for less than it means by them (the WHATWG Encoding Standard makes the same choices).
_MEANT: Final = {
    "ansi_x3.110-1983": "cp1252",
    "ascii": "cp1252",
    "big5": "big5hkscs",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso-8859-1": "cp1252",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-9": "cp1254",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "latin1": "cp1252",
    "shift_jis": "cp932",
    "us-ascii": "cp1252",
    "x-gbk": "gb18030",
    "x-sjis": "cp932",
}


@lru_cache(maxsize=256)
def _codec(name: str) -> str:
    """Python's name of the codec; empty for what is no charset we know."""
    name = name.strip().strip("\"'").lower()[:64]
    try:
        codec = codecs.lookup(_MEANT.get(name, name)).name
        "".encode(codec)  # refuses what is not a text encoding (zip, hex, rot13)
    except (LookupError, ValueError, TypeError):
        return ""
    return "" if codec.replace("-", "_") in _REFUSED else codec


def decode(data: bytes, charset: str = "") -> str:
    """Text. UTF-8 wins where the bytes beyond ASCII are valid UTF-8 and the charset is unknown or a superset of ASCII
    that was probably put there by default; what does not decode becomes U+FFFD. Never raises."""
    codec = _codec(charset)
    if not codec or codec == "cp1252":
        try:
            return data.decode()
        except UnicodeDecodeError:
            codec = "cp1252"
    try:
        return data.decode(codec, "replace")
    except (UnicodeError, LookupError, ValueError):
        return data.decode("latin-1")
