"""Files that browsers keep: served from memory, under names that change with their content.

Each package of pages may have a folder ``static`` of its own. All files are served in one folder, so that a script may
import one of its own package or of web/look/ by its name, ``import {…} from "./live.js"``: here that becomes the name
with the hash. What is imported is so a part of the content, and has to come first: there are no circles.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Final

from mpcontinuity.web.answers import Answer

LOOK: Final = "mpcontinuity.web.look"
_FOLDER: Final = "/static/"
_KEPT: Final = b"public, max-age=31536000, immutable"  # the name of what is changed is another one

_WORTH: Final = 0.9  # of its size, below which what is compressed is sent: pictures are compressed already
_NO_WEIGHT: Final = re.compile(r"q\s*=\s*0(?:\.0{0,3})?")
_IMPORT: Final = re.compile(rb'(\bfrom |\bimport |\bimport\()"\./([\w.-]+)"')


class Files:
    """The files of folder ``static`` of a package, if it has one, and those of web/look/.

    Where both have one of a name, the name is that of the package's. Raises ValueError where scripts import each other
    in a circle, or one imports what is not there.
    """

    def __init__(self, package: str = LOOK) -> None:
        content: dict[str, bytes] = {}
        for each in dict.fromkeys([LOOK, package]):
            folder = resources.files(each) / "static"
            if folder.is_dir():
                content.update((file.name, file.read_bytes()) for file in folder.iterdir())
        self._content = content
        self._paths: dict[str, str] = {}
        self._answers: dict[str, Answer] = {}
        for name in sorted(content):  # what is wrong is told the same on every file system
            self._add(name, ())

    def url(self, name: str) -> str:
        """Returns the path of the file with that name. Raises KeyError where there is none."""
        return self._paths[name]

    @property
    def answers(self) -> Mapping[str, Answer]:
        """The answer for each file, by its path."""
        return self._answers

    def _add(self, name: str, importing: tuple[str, ...]) -> str:
        """Adds a file and what it imports; returns its path. ``importing`` are those that import it."""
        if name in importing or name not in self._content:
            raise ValueError(f"static: {' imports '.join([*importing, name])}")
        if name not in self._paths:
            content = self._content[name]
            stem, _, ending = name.rpartition(".")
            if ending == "js":
                content = _IMPORT.sub(lambda found: self._imported(found, (*importing, name)), content)
            path = f"{_FOLDER}{stem}.{hashlib.sha256(content).hexdigest()[:16]}.{ending}"
            self._answers[path] = Answer(content, content_type=_type(path), fields={b"cache-control": _KEPT})
            self._paths[name] = path
        return self._paths[name]

    def _imported(self, found: re.Match[bytes], importing: tuple[str, ...]) -> bytes:
        path = self._add(found[2].decode("ascii"), importing)
        return b'%s"%s"' % (found[1], path.encode("ascii"))


@cache
def files(package: str = LOOK) -> Files:
    """Returns the files of a package, and of web/look/."""
    return Files(package)


def answers(packages: Iterable[str]) -> Mapping[str, Answer]:
    """Returns the answers for the files of all these packages and of web/look/, by their paths."""
    return {path: answer for package in (LOOK, *packages) for path, answer in files(package).answers.items()}


def in_encoding(answer: Answer, accepted: str) -> Answer:
    """Returns the answer for a file as a browser takes it whose Accept-Encoding is ``accepted``: compressed, where that
    makes it smaller. Files are public, so that what compression tells of a secret (BREACH) does not matter.
    """
    coded = _compressed(answer.body)
    if coded is None:
        return answer
    fields = {**answer.fields, b"vary": b"accept-encoding"}
    if not _takes_gzip(accepted):
        return replace(answer, fields=fields)
    return replace(answer, body=coded, fields={**fields, b"content-encoding": b"gzip"})


@cache
def _compressed(content: bytes) -> bytes | None:
    coded = gzip.compress(content, mtime=0)
    return coded if len(coded) < _WORTH * len(content) else None


def _takes_gzip(accepted: str) -> bool:
    """RFC 9110 §12.5.3; a weight of 0 refuses."""
    for each in accepted.lower().split(","):
        name, _, weight = each.partition(";")
        if name.strip() in ("gzip", "x-gzip"):
            return not _NO_WEIGHT.fullmatch(weight.strip())
    return False


def _type(path: str) -> str:
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
