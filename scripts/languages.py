"""Renews the catalogues of languages: reads every text out of the templates and the code, puts in those that are new,
and takes out those that are gone. A new one is said with the file where it stands; its translation is left empty.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

ROOT: Final = Path(__file__).resolve().parents[1] / "mpcontinuity"
CATALOGUES: Final = ROOT / "web" / "catalogues"
# Functions whose first arguments are texts: of templates, and of the code.
_WORDS: Final = {"_": None, "gettext": None, "ngettext": (1, 2)}
_CALLS: Final = {"marked": None, "said": None, "counted": (1, 2)}
_SYNTAX: Final = {"trimmed": "true", "silent": "false"}
_ENGLISH: Final = ("admin", "app")  # packages whose texts are for administrators

Found = tuple[str | tuple[str, str], str]  # a text, or that of one and that of many, and the file


def texts() -> Iterator[Found]:
    """Yields every text that has to be in a catalogue, with its file."""
    for path in sorted(ROOT.rglob("*")):
        if path.relative_to(ROOT).parts[0] in _ENGLISH:
            continue
        if path.suffix == ".html":
            yield from _of_file(path, "jinja2.ext:babel_extract", _WORDS)
        elif path.suffix == ".py":
            yield from _of_file(path, "python", _CALLS)


def _of_file(path: Path, method: str, keywords: Any) -> Iterator[Found]:
    shown = str(path.relative_to(ROOT.parent))
    with path.open("rb") as file:
        for _, message, _, _ in extract(method, file, keywords, options=_SYNTAX):
            one = message if isinstance(message, str) else (str(message[0]), str(message[1]))
            if one:
                yield one, shown


def template() -> dict[str, tuple[str | tuple[str, str], set[str]]]:
    """Returns every text by what names it in a catalogue, which is that of one, and the files where it stands."""
    found: dict[str, tuple[str | tuple[str, str], set[str]]] = {}
    for message, path in texts():
        name = message if isinstance(message, str) else message[0]
        known = found.setdefault(name, (message, set()))
        if isinstance(message, tuple) and isinstance(known[0], str):
            found[name] = (message, known[1])
        known[1].add(path)
    return found


def read(path: Path) -> Catalog:
    """Returns a catalogue as Babel reads it. Raises PoFileError for what is none."""
    with path.open("rb") as file:
        return read_po(file, locale=path.stem, abort_invalid=True)


def renew(path: Path) -> list[str]:
    """Renews a catalogue, and returns a line for each text that is new in it."""
    before, said = read(path), []
    after = Catalog(locale=path.stem, charset="utf-8", fuzzy=False)
    for name, (message, files) in sorted(template().items()):
        known = before.get(name)
        text = known.string if known is not None and isinstance(known.id, tuple) == isinstance(message, tuple) else ""
        if not text or not all(text if isinstance(text, tuple) else (text,)):
            said.append(f"{path.name}: is to be translated: {name!r} ({min(files)})")
        after.add(message, text)
    head = path.read_text().partition("\n\n")[0]
    with path.open("wb") as file:
        file.write(f"{head.rstrip()}\n\n".encode())
        write_po(file, after, width=116, no_location=True, omit_header=True, sort_output=True)
    return said


def main() -> None:
    """Renews all of them."""
    said = [line for path in sorted(CATALOGUES.glob("*.po")) for line in renew(path)]
    print("\n".join(said) or "Every text is translated.")
    sys.exit(1 if said else 0)


if __name__ == "__main__":
    main()
