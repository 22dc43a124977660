"""Renews the catalogues of languages: reads every text out of the templates and the code, puts in those that are new,
and takes out those that are gone. A new one is said with the file where it stands; its translation is left empty.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

ROOT: Final = Path(__file__).resolve().parents[1] / "mpcontinuity"
CATALOGUES: Final = ROOT / "web" / "catalogues"
# Functions whose arguments are texts: of templates, and of the code.
_WORDS: Final = {"_": None, "gettext": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2)}
_CALLS: Final = {"marked": None, "said": None, "counted": (1, 2), "marked_counts": (1, 2)}
_ENGLISH: Final = ("admin", "app")  # packages whose texts are for administrators


class Text(NamedTuple):
    """A text as a catalogue has it: ``plural`` is empty for what no number changes, and ``context`` for most."""

    context: str
    id: str
    plural: str = ""


def texts() -> Iterator[tuple[Text, str]]:
    """Yields every text that has to be in a catalogue, with its file."""
    for path in sorted(ROOT.rglob("*")):
        if path.relative_to(ROOT).parts[0] in _ENGLISH:
            continue
        if path.suffix == ".html":
            yield from _of_file(path, "jinja2.ext:babel_extract", _WORDS)
        elif path.suffix == ".py":
            yield from _of_file(path, "python", _CALLS)


def _of_file(path: Path, method: str, keywords: Any) -> Iterator[tuple[Text, str]]:
    with path.open("rb") as file:
        for _, message, _, context in extract(method, file, keywords, options={"silent": "false"}):
            one, many = (message, "") if isinstance(message, str) else (str(message[0]), str(message[1]))
            if one:
                yield Text(context or "", one, many), str(path.relative_to(ROOT.parent))


def template() -> dict[Text, str]:
    """Returns every text, each with a file where it stands."""
    found: dict[Text, str] = {}
    for text, path in texts():
        found.setdefault(text, path)
    return {text: path for text, path in found.items() if text.plural or not _counted(text, found)}


def _counted(text: Text, found: dict[Text, str]) -> bool:
    """Whether the same stands elsewhere with a plural: then a catalogue has the one for both."""
    return any(each.plural and each[:2] == text[:2] for each in found)


def read(path: Path) -> Catalog:
    """Returns a catalogue as Babel reads it. Raises PoFileError for what is none."""
    with path.open("rb") as file:
        return read_po(file, locale=path.stem, abort_invalid=True)


def renew(path: Path) -> list[str]:
    """Renews a catalogue, and returns a line for each text that is not translated in it."""
    before, said = read(path), []
    after = Catalog(locale=path.stem, charset="utf-8", fuzzy=False)
    for text, file in template().items():
        known = before.get(text.id, text.context or None)
        same = known is not None and isinstance(known.id, tuple) == bool(text.plural) and not known.fuzzy
        translated: Any = known.string if known is not None and same else ""
        if not translated or not all(translated if isinstance(translated, tuple) else (translated,)):
            said.append(f"{path.name}: is to be translated: {text.id!r} ({file})")
        after.add((text.id, text.plural) if text.plural else text.id, translated, context=text.context or None)
    head = path.read_text().partition("\n\n")[0]
    with path.open("wb") as out:
        out.write(f"{head.rstrip()}\n\n".encode())
        write_po(out, after, width=116, no_location=True, omit_header=True, sort_output=True)
    return said


def main() -> None:
    """Renews all of them."""
    said = [line for path in sorted(CATALOGUES.glob("*.po")) for line in renew(path)]
    print("\n".join(said) or "Every text is translated.")
    sys.exit(1 if said else 0)


if __name__ == "__main__":
    main()
