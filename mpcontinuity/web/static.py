"""Files that browsers keep: served from memory, under names that change with their content."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final

from mpcontinuity.web.answers import Answer

_FOLDER: Final = "/static/"
_KEPT: Final = b"public, max-age=31536000, immutable"  # the name of what is changed is another one


@cache
def _files() -> Mapping[str, tuple[str, bytes]]:
    """The URL and the content of each file of web/look/static/, by its name."""
    folder = resources.files("mpcontinuity.web.look") / "static"
    found = {}
    for file in folder.iterdir():
        content = file.read_bytes()
        stem, _, ending = file.name.rpartition(".")
        found[file.name] = f"{_FOLDER}{stem}.{hashlib.sha256(content).hexdigest()[:16]}.{ending}", content
    return found


def url(name: str) -> str:
    """Returns the path of the file with that name. Raises KeyError where there is none."""
    return _files()[name][0]


@cache
def answers() -> Mapping[str, Answer]:
    """Returns the answer for each file, by its path."""
    return {
        path: Answer(content, content_type=_type(path), fields={b"cache-control": _KEPT})
        for path, content in _files().values()
    }


def _type(path: str) -> str:
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
