"""Decodes text by the charset that a message names, or by what mail really contains where that name is wrong."""

from __future__ import annotations

import codecs
import encodings
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator
from encodings.aliases import aliases
from functools import lru_cache, partial
from typing import Final

# Not character sets of mail, or costly on purpose (punycode is quadratic): their names are treated as unknown.
_REFUSED: Final = frozenset(("idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"))

# What names mean in mail: those of the WHATWG Encoding Standard, whose choices browsers and so webmail make (Latin-1 is
# Windows-1252), those that Outlook and Apple's mail write, and Windows' and IBM's numbers. What is not listed, Python's
# codecs know by itself.
_MEANT: Final = {
    label: codec
    for codec, labels in {
        "utf_8": "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 x-unicode20utf8 cp65001 utf8mb4",
        "utf_7": "unicode-1-1-utf-7 x-unicode-2-0-utf-7 cp65000",
        "utf_16": "csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff cp1200",
        "utf_16_be": "unicodefffe cp1201",
        "cp1252": "ascii us-ascii ansi_x3.4-1968 ansi_x3.110-1983 cp819 cp367 cp20127 csascii csisolatin1 ibm819 "
        "latin-1 latin1 l1 iso-8859-1 iso-ir-100 iso8859-1 iso88591 iso_8859-1 iso_8859-1:1987 cp28591 x-ansi "
        "ansi 8bit 7bit",
        "cp1254": "csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 l5 latin5 cp28599",
        "cp874": "iso-8859-11 iso8859-11 iso8859_11 iso885911 iso_8859-11 tis-620 tis620 iso-ir-166 cp28601",
        "iso8859_2": "iso_8859-2:1987 csisolatin2 iso88592 cp28592",
        "iso8859_3": "iso_8859-3:1988 csisolatin3 iso88593 cp28593",
        "iso8859_4": "iso_8859-4:1988 csisolatin4 iso88594 cp28594",
        "iso8859_5": "iso_8859-5:1988 csisolatincyrillic iso88595 cp28595",
        "iso8859_6": "iso_8859-6:1987 csiso88596e csiso88596i csisolatinarabic iso-8859-6-e iso-8859-6-i iso88596 "
        "cp28596",
        "iso8859_7": "iso_8859-7:1987 csisolatingreek sun_eu_greek iso88597 cp28597",
        "iso8859_8": "iso_8859-8:1988 csiso88598e csiso88598i csisolatinhebrew iso-8859-8-e iso-8859-8-i iso88598 "
        "visual logical cp28598 cp38598",
        "iso8859_10": "csisolatin6 iso885910",
        "iso8859_13": "iso885913 cp28603",
        "iso8859_14": "iso885914",
        "iso8859_15": "csisolatin9 iso885915 cp28605 latin-9",
        "koi8_r": "koi koi8 cskoi8r cp20866",
        "koi8_u": "koi8-ru cp21866",
        "mac_roman": "x-mac-roman mac macintosh csmacintosh cp10000",
        "mac_cyrillic": "x-mac-cyrillic x-mac-ukrainian cp10007",
        "mac_latin2": "x-mac-ce x-mac-centraleurroman cp10029",
        "mac_greek": "x-mac-greek cp10006",
        "mac_turkish": "x-mac-turkish cp10081",
        "mac_iceland": "x-mac-icelandic cp10079",
        "mac_croatian": "x-mac-croatian cp10082",
        "mac_romanian": "x-mac-romanian cp10010",
        "gb18030": "gb2312 gbk chinese csgb2312 csiso58gb231280 gb_2312 gb_2312-80 gb2312-80 iso-ir-58 x-gbk euc-cn "
        "x-euc-cn euccn cp936 cp54936 cp20936 x-mac-chinesesimp",
        "hz": "hz-gb-2312 hzgb2312 cp52936",
        "big5hkscs": "big5 big5-hkscs cn-big5 csbig5 x-x-big5 x-mac-chinesetrad",
        "cp932": "shift_jis shift-jis sjis x-sjis csshiftjis ms_kanji mskanji windows-31j cswindows31j cp943 cp942 "
        "x-mac-japanese",
        "euc_jp": "x-euc-jp cseucpkdfmtjapanese cp51932 cp20932 eucjp-ms",
        "iso2022_jp_ext": "iso-2022-jp csiso2022jp iso-2022-jp-ms _iso-2022-jp$esc _iso-2022-jp$sio iso2022jp cp50220 "
        "cp50221 cp50222 jis",
        "cp949": "euc-kr euckr cseuckr csksc56011987 iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601 "
        "uhc cp51949 x-mac-korean",
        "iso2022_kr": "csiso2022kr cp50225",
    }.items()
    for label in labels.split()
}
_NUMBERED = re.compile(r"(?:x-)?(?:windows|win|cp|ms|ibm|csibm|dos|ansi|ccsid)[-_ ]?0*([0-9]{3,5})")
# Prefixed to a name that is known without it.
_EXPERIMENTAL: Final = "x-"

# Where the first letters of Unicode have other signs than Latin ones, so that words of the charset may be valid UTF-8.
_TRUSTED: Final = re.compile(r"cp(?:1256|874|4..|[78]..|1[01]..)|utf_(?:16|32).*|iso8859_11")
_TWO_OCTETS: Final = re.compile(r"gb18030|big5.*|cp9(?:32|49|50)|euc_.*|johab|shift_.*")
_WIDE = re.compile(rb"[\xe0-\xef]")

_HALVES = re.compile("[\ud800-\udfff]")  # of pairs, which UTF-7 can write alone and no other codec can
_PIECE: Final = 64 * 1024  # octets that are decoded at once
_JAPANESE: Final = ("iso2022_jp", "euc_jp")
_ERRORS: Final = "mpcontinuity.japanese"  # the handler below

# What Python may be asked for: it keeps every name that it does not know for ever, and looks for a module of that name.
_KNOWN: Final = frozenset(aliases) | {module.name for module in pkgutil.iter_modules(encodings.__path__)}


@lru_cache(maxsize=256)
def _codec(name: str) -> str:
    """Python's name of the codec; empty for what is no charset we know."""
    name = name.strip().strip("\"'").lower()[:64]
    if numbered := _NUMBERED.fullmatch(name):
        name = f"cp{numbered[1]}"
    for given in (name, name.removeprefix(_EXPERIMENTAL)):
        label = _MEANT.get(given, given)
        if encodings.normalize_encoding(label).replace(".", "_") not in _KNOWN:
            continue
        try:
            codec = codecs.lookup(label).name
            "".encode(codec)  # refuses what is not a text encoding (zip, hex, rot13)
            codecs.getincrementaldecoder(codec)
        except (LookupError, ValueError, TypeError):
            continue
        codec = codec.replace("-", "_")
        return "" if codec in _REFUSED else codec
    return ""


def decode(data: bytes, charset: str = "") -> str:
    """Returns the text of octets. Never raises.

    UTF-8 is taken where the octets beyond ASCII are valid UTF-8, although the charset says otherwise, unless they would
    be valid in what the charset is meant for as well. What cannot be decoded becomes U+FFFD.
    """
    if not charset and len(data) <= _PIECE:
        try:
            return data.decode()
        except UnicodeDecodeError:
            return data.decode("cp1252", "replace")
    return "".join(decoded(partial(_pieces, data), charset))


def _pieces(data: bytes) -> Iterator[bytes]:
    """One call of a codec holds the interpreter, for tens of ms where nothing in a MiB can be decoded."""
    return (data[at : at + _PIECE] for at in range(0, len(data), _PIECE))


def decoded(octets: Callable[[], Iterable[bytes]], charset: str = "") -> Iterator[str]:
    """Yields the same text in pieces.

    ``octets`` is called twice where the whole text must be seen before its charset is known.
    """
    codec = _codec(charset)
    if codec != "utf_8" and not (codec and _TRUSTED.fullmatch(codec)):
        evidence = _Utf8()
        for piece in octets():
            if not evidence.goes_on(piece):
                break
        if evidence.speaks_against(codec):
            codec = "utf_8"
    codec = codec or "cp1252"
    yield from _with(codec, octets())


def _with(codec: str, octets: Iterable[bytes]) -> Iterator[str]:
    shifted = codec == "iso2022_jp_ext"
    decoder = codecs.getincrementaldecoder(codec)(_ERRORS if codec.startswith(_JAPANESE) else "replace")
    for piece in octets:
        if shifted and (b"\x0e" in piece or b"\x0f" in piece):  # half-width kana, as CP50222 has them
            piece = piece.replace(b"\x0e", b"\x1b(I").replace(b"\x0f", b"\x1b(B")
        try:
            text = decoder.decode(piece)
            yield _HALVES.sub("\N{REPLACEMENT CHARACTER}", text) if codec == "utf_7" else text
        except (UnicodeError, ValueError):
            yield piece.decode("latin-1")
            decoder.reset()
    try:
        text = decoder.decode(b"", True)
        yield _HALVES.sub("\N{REPLACEMENT CHARACTER}", text) if codec == "utf_7" else text
    except (UnicodeError, ValueError):
        yield "\N{REPLACEMENT CHARACTER}"


class _Utf8:
    """What a text says for being UTF-8."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")
        self._valid = True
        self._beyond_ascii = False
        self._wide = False

    def goes_on(self, piece: bytes) -> bool:
        """Whether it still may be."""
        if piece.isascii() and not self._decoder.getstate()[0]:
            return True
        self._beyond_ascii = True
        self._wide = self._wide or _WIDE.search(piece) is not None
        try:
            self._decoder.decode(piece)
        except UnicodeDecodeError:
            self._valid = False
        return self._valid

    def speaks_against(self, codec: str) -> bool:
        """Of two octets a character: pairs are valid UTF-8 by chance, the three octets of an East Asian letter not."""
        try:
            self._decoder.decode(b"", True)
        except UnicodeDecodeError:
            return False
        if not self._valid or not self._beyond_ascii:
            return False
        return self._wide or not _TWO_OCTETS.fullmatch(codec)


def _rescued(error: UnicodeError) -> tuple[str, int]:
    """What Python's codecs of Japanese do not know and Windows writes: NEC's row 13, NEC's and IBM's further characters
    at their places in JIS X 0208 (CP50220, eucJP-ms); half-width kana as single octets in ISO-2022-JP."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    first, second = (*error.object[error.start : error.start + 2], 0)[:2]
    if error.encoding.startswith("iso2022_jp") and 0xA1 <= first <= 0xDF:
        return chr(0xFF61 + first - 0xA1), error.start + 1
    if char := _jis(first & 0x7F, second & 0x7F):
        return char, error.start + 2
    return "\N{REPLACEMENT CHARACTER}", max(error.end, error.start + 1)


@lru_cache(maxsize=2048)
def _jis(first: int, second: int) -> str:
    """The character at that place in JIS X 0208 as Windows extends it; empty: none."""
    row, cell = first - 0x21, second - 0x21
    if not (0 <= row < 94 and 0 <= cell < 94):
        return ""
    lead = row // 2 + (0x81 if row < 62 else 0xC1)
    trail = cell + (0x9F if row % 2 else 0x40)
    trail += not row % 2 and trail >= 0x7F
    try:
        return bytes((lead, trail)).decode("cp932")
    except UnicodeDecodeError:
        return ""


codecs.register_error(_ERRORS, _rescued)
