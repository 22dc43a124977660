"""Reads catalogues of gettext: ``.po`` as people write them, ``.mo`` as msgfmt makes them.

What Python's own gettext reads is ``.mo``. A ``.po`` is made into one in memory, so that no step has to be done before
a server starts, and what a reader of the repository sees is what is shown.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from gettext import GNUTranslations
from io import BytesIO
from typing import Final

from mpcontinuity.web.catalogues.fitting import why_not

MOST_FORMS: Final = 6  # of a plural, which Arabic has
_FIELD: Final = re.compile(r'(msgctxt|msgid|msgid_plural|msgstr(?:\[([0-5])\])?)\s+(".*")')
_CONTINUED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
# What msgfmt takes behind a backslash, but for codes of characters, which a file in UTF-8 has no need of.
_ESCAPED: Final = re.compile(r"\\(.)")
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}
_MAGIC: Final = 0x950412DE
_TRIED: Final = 1_000  # numbers for which the rule of plurals has to name a form


class BadCatalogue(ValueError):
    """Is raised for a file that is no catalogue: it says why, for people, with the line where one is to blame."""


@dataclass(slots=True)
class Entry:
    """A text of the templates or the code and what stands for it; with a ``plural`` there are several ``texts``, by the
    number of their form. ``context`` tells texts apart that are the same in English. ``line`` is where it begins."""

    line: int
    context: str = ""
    id: str = ""
    plural: str = ""
    fuzzy: bool = False
    texts: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What a file holds: the translations, the name of the language in that language, and what of it cannot be used,
    each in one line."""

    texts: GNUTranslations
    name: str
    left_out: tuple[str, ...]


def read(content: bytes, name: str) -> Catalogue:
    """Returns the catalogue in a file. ``name`` says of which kind it is, by its ending. Raises BadCatalogue."""
    if name.endswith(".mo"):
        return _of_mo(content)
    try:
        entries = parse(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadCatalogue(f"is not UTF-8 text (byte {error.start})") from None
    fit, left_out = [], []
    for entry in entries:
        why = _why_not(entry)
        if why:
            left_out.append(f"line {entry.line}: {why}")
        elif entry.texts and not (entry.fuzzy and entry.id) and all(entry.texts.values()):
            fit.append(entry)
    return _checked(_mo(fit), tuple(left_out))


def parse(text: str) -> list[Entry]:
    """Returns the entries of a ``.po`` file, the head among them (its `id` is empty). Raises BadCatalogue."""
    found: list[Entry] = []
    entry, part, fuzzy, form = Entry(1), "", False, 0
    for number, row in enumerate(text.splitlines(), 1):
        line = row.strip()
        if line.startswith("#"):
            fuzzy = fuzzy or (line.startswith("#,") and "fuzzy" in line)
            continue
        if not line:
            continue
        given = _FIELD.fullmatch(line)
        begins = given is not None and (given[1] == "msgctxt" or (given[1] == "msgid" and part != "msgctxt"))
        if begins:
            entry = Entry(number, fuzzy=fuzzy)
            found.append(entry)
            fuzzy = False
        if given is not None:
            part, form, line = given[1], int(given[2] or 0), given[3]
        if not part or not found or _CONTINUED.fullmatch(line) is None:
            raise BadCatalogue(f"line {number}: is not understood")
        _add(entry, part, form, _unquoted(line, number))
    return found


def _add(entry: Entry, part: str, form: int, text: str) -> None:
    if part == "msgctxt":
        entry.context += text
    elif part == "msgid":
        entry.id += text
    elif part == "msgid_plural":
        entry.plural += text
    else:
        entry.texts[form] = entry.texts.get(form, "") + text


def _unquoted(line: str, number: int) -> str:
    if not _CONTINUED.fullmatch(line):
        raise BadCatalogue(f"line {number}: is not understood")
    try:
        return _ESCAPED.sub(lambda found: _ESCAPES[found[1]], line[1:-1])
    except KeyError as error:
        raise BadCatalogue(f"line {number}: \\{error.args[0]} is not understood") from None


def _why_not(entry: Entry) -> str:
    if not entry.id:
        return ""
    whys = (why_not(entry.id, entry.plural, text) for text in entry.texts.values() if text)
    return next((why for why in whys if why), "")


def _key(entry: Entry) -> str:
    context = f"{entry.context}\x04" if entry.context else ""
    return f"{context}{entry.id}\0{entry.plural}" if entry.plural else f"{context}{entry.id}"


def _mo(entries: Iterable[Entry]) -> bytes:
    """The entries as msgfmt writes them (GNU gettext, "The Format of GNU MO Files")."""
    pairs = sorted(
        (
            _key(entry).encode(),
            "\0".join(entry.texts[form] for form in sorted(entry.texts)).encode(),
        )
        for entry in entries
    )
    head, table = 28, 8 * len(pairs)
    ids: list[bytes] = []
    texts: list[bytes] = []
    octets, at = b"", head + 2 * table
    for column, places in ((0, ids), (1, texts)):
        joined = b"".join(pair[column] + b"\0" for pair in pairs)
        for pair in pairs:
            places.append(struct.pack("<II", len(pair[column]), at))
            at += len(pair[column]) + 1
        octets += joined
    return struct.pack("<7I", _MAGIC, 0, len(pairs), head, head + table, 0, head) + b"".join(ids + texts) + octets


def _of_mo(content: bytes) -> Catalogue:
    catalogue = _checked(content, ())
    known: Mapping[object, str] = catalogue.texts._catalog  # type: ignore[attr-defined]
    unfit = []
    for key, text in known.items():
        id_ = key[0] if isinstance(key, tuple) else key
        why = why_not(str(id_).rpartition("\x04")[2], "", text) if id_ else ""
        if why:
            unfit.append((key, why))
    for key, _ in unfit:
        del catalogue.texts._catalog[key]  # type: ignore[attr-defined]
    return Catalogue(catalogue.texts, catalogue.name, tuple(why for _, why in unfit))


def _checked(content: bytes, left_out: tuple[str, ...]) -> Catalogue:
    try:
        texts = GNUTranslations(BytesIO(content))
        forms = {texts.plural(number) for number in range(_TRIED)}  # type: ignore[attr-defined]
    except Exception as error:  # what a broken file does to a reader of another house
        raise BadCatalogue(f"cannot be read as a catalogue: {error}") from None
    if not all(0 <= form < MOST_FORMS for form in forms):
        raise BadCatalogue("Plural-Forms: names a form that no language has")
    return Catalogue(texts, texts.info().get("x-name", ""), left_out)
