"""Texts of pages in the language of whoever reads them, by gettext.

English is what stands in the code and the templates. Python marks a text that is shown later by `marked`, so that the
catalogues have it (web/catalogues/). All catalogues are read once, when the server starts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from gettext import NullTranslations
from importlib import resources
from pathlib import Path
from typing import Any, Final

from twisted.logger import Logger
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from mpcontinuity.model.texts import Said, marked, marked_counts
from mpcontinuity.web.catalogues import po
from mpcontinuity.web.catalogues.po import BadCatalogue

__all__ = ["COOKIE", "ENGLISH", "Language", "Languages", "load", "marked", "marked_counts"]

COOKIE: Final = "mpc_language"  # in which a browser keeps what its reader has chosen
LONGEST_FILE: Final = 4 * 1024 * 1024  # octets of a catalogue: some twenty times what ours have
MOST_LANGUAGES: Final = 40  # of the folder: a list to choose from; a mistaken folder is not read for minutes
_LONGEST_HEADER: Final = 200  # characters of Accept-Language that count: some twenty languages
_REMEMBERED: Final = 500  # of what browsers wish: there are not many more
_FILE: Final = re.compile(r"([a-z]{2,3}(?:-[A-Za-z]{2,8})?)\.(?:po|mo)")

_log = Logger()


@dataclass(frozen=True, slots=True)
class Language:
    """A language that pages speak: its code, as HTML names it, the catalogue of its texts, and its own name for
    itself. ``choices`` are the codes and names of all that there are beside it."""

    code: str
    catalogue: NullTranslations
    name: str = ""
    choices: tuple[tuple[str, str], ...] = ()

    def said(self, text: str, /, **values: Any) -> str:
        """Returns a text in this language, with ``values`` put in by name: ``%(name)s``."""
        if isinstance(text, Said):
            return self.said(text.template, **text.values)
        found = self.catalogue.gettext(text) if text else ""
        return found % self._in_this(values) if values else found

    def counted(self, one: str, many: str, number: int, /, **values: Any) -> str:
        """Returns the one or the other of two texts, as ``number`` wants it, which is among the values by that name."""
        return self.catalogue.ngettext(one, many, number) % self._in_this({"number": number, **values})

    def number(self, value: float, digits: int = 0) -> str:
        """Returns a number as people write it: ``1,234.5``."""
        text = f"{value:,.{digits}f}"
        signs = {",": self._sign(_GROUP), ".": self._sign(_POINT)}
        return "".join(signs.get(each, each) for each in text)

    def _sign(self, text: str) -> str:
        return self.catalogue.gettext(text)[-1:]

    def _in_this(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self.said(each) if isinstance(each, Said) else each for name, each in values.items()}


_GROUP: Final = marked("sign between thousands: ,")
_POINT: Final = marked("sign before decimals: .")
ENGLISH: Final = Language("en", NullTranslations(), "English")


class Languages:
    """The languages of a server, by their codes, English first."""

    def __init__(self, others: Mapping[str, Language] | None = None) -> None:
        found = {ENGLISH.code: ENGLISH, **(others or {})}
        names = tuple((each.code, each.name) for each in found.values())
        self._by_code = {
            code: replace(each, choices=tuple(one for one in names if one[0] != code)) for code, each in found.items()
        }
        self.wished = lru_cache(_REMEMBERED)(self._wished)

    def __iter__(self) -> Iterator[Language]:
        return iter(self._by_code.values())

    def find(self, code: str) -> Language | None:
        """Returns the language with that code; None where there is none."""
        return self._by_code.get(code)

    def of(self, chosen: str, header: str) -> Language:
        """Returns the language of a browser: the one that was ``chosen`` in it, else what its Accept-Language wishes
        most (RFC 9110 §12.5.4) of those that are here, else English."""
        return self.find(chosen) or self.wished(header[:_LONGEST_HEADER])

    def _wished(self, header: str) -> Language:
        """Of a header that was cut, the last language may be half of one, which no language here is called."""
        wishes = parse_accept_header(header, LanguageAccept)
        return self._by_code[wishes.best_match(list(self._by_code), ENGLISH.code)]


def load(folder: str = "") -> Languages:
    """Reads the catalogues of this package, and those of a folder of the administrator's, where one is named.

    There a file ``fr.po`` or ``fr.mo`` adds French; one of a language that is here comes in its place. A file that
    cannot be read is left out, and a line of the log says so.
    """
    ours = resources.files("mpcontinuity.web.catalogues")
    found = {"de": _language("de", po.read((ours / "de.po").read_bytes(), "de.po"))}
    if folder:
        found.update(_of_folder(Path(folder)))
    return Languages(found)


def _of_folder(folder: Path) -> Iterator[tuple[str, Language]]:
    try:
        files = sorted(each for each in folder.iterdir() if each.suffix in (".po", ".mo"))
    except OSError as error:
        _log.warn("[web] languages: {folder}: {why}", folder=str(folder), why=error.strerror)
        return
    for file in files[:MOST_LANGUAGES]:
        named = _FILE.fullmatch(file.name)
        try:
            if named is None:
                raise BadCatalogue("is not named after a language, as fr.po or pt-BR.po")
            if file.stat().st_size > LONGEST_FILE:
                raise BadCatalogue(f"has more than {LONGEST_FILE} octets")
            catalogue = po.read(file.read_bytes(), file.name)
        except (BadCatalogue, OSError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            _log.warn("[web] languages: {file}: {why}; it is left out", file=str(file), why=why)
            continue
        if catalogue.left_out:
            _log.warn(
                "[web] languages: {file}: {count} texts cannot be used and stay English, the first: {first}",
                file=str(file),
                count=len(catalogue.left_out),
                first=catalogue.left_out[0],
            )
        yield named[1], _language(named[1], catalogue)


def _language(code: str, catalogue: po.Catalogue) -> Language:
    return Language(code, catalogue.texts, catalogue.name or code)
