"""The sheet of keys says the truth."""

from __future__ import annotations

import re
from pathlib import Path

import mpcontinuity.access.webmail

_FOLDER = Path(mpcontinuity.access.webmail.__file__).parent


def test_each_key_of_the_sheet_is_one_of_a_page_or_of_the_script() -> None:
    templates = {each.name: each.read_text() for each in (_FOLDER / "templates").glob("*.html")}
    promised = {key for keys in re.findall(r'\("([^"]+)", _\(', templates["keys.html"]) for key in keys.split()}
    script = (_FOLDER / "static" / "keys.js").read_text()
    table = script[script.index("KEYS = {") :]
    found = set(re.findall(r'^  "?(.)"?: \(\) =>', table, re.MULTILINE))
    for text in templates.values():
        found.update(re.findall(r'data-key="(.)"', text))
        found.update(re.findall(r'data-key="\{\{ "(.)" if', text))
    assert len(promised) > 10
    assert promised - found == set()
