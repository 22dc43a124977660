"""Texts of pages in the language of whoever reads them, by gettext.

English is what stands in the code and the templates. Python marks a text that is shown later by `marked`, so that the
catalogues have it.
"""

from __future__ import annotations

from dataclasses import dataclass
from gettext import NullTranslations
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Language:
    """A language that pages speak: its code, as HTML names it, and the catalogue of its texts."""

    code: str
    catalogue: NullTranslations

    def said(self, text: str, /, **values: Any) -> str:
        """Returns a text in this language, with ``values`` put in by name: ``%(name)s``."""
        found = self.catalogue.gettext(text)
        return found % values if values else found

    def counted(self, one: str, many: str, number: int, /, **values: Any) -> str:
        """Returns the one or the other of two texts, as ``number`` wants it, which is among the values by that name."""
        return self.catalogue.ngettext(one, many, number) % {"number": number, **values}


ENGLISH: Final = Language("en", NullTranslations())


def marked(text: str) -> str:
    """Returns the text as it is: it is translated where it is shown."""
    return text
