"""Users from a file, ``/admin/users/import``: looked at line by line first, and then imported by a run (runs.py).

With JavaScript a file is sent as the body of a PUT, octet by octet as it is, once to be looked at and once to be
imported: it may have passwords, so it is kept nowhere in between. Without, lines of it are pasted into a form.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any, Final

import msgspec
from twisted.web import http

from mpcontinuity.admin.portal import runs
from mpcontinuity.admin.portal.signed_in import Portal, Visit, refused_at
from mpcontinuity.control import user_file
from mpcontinuity.control.imports import ImportDone
from mpcontinuity.control.operation import Control
from mpcontinuity.model.errors import Refused
from mpcontinuity.web.answers import Answer, redirect
from mpcontinuity.web.routes import Route
from mpcontinuity.web.uploads import Upload, uploaded

PATH: Final = "/admin/users/import"
FILE: Final = f"{PATH}/file"
_RUN: Final = "user import"
MOST_PASTED: Final = 500  # lines of a form: to look at them takes a second, and a browser waits
_LONGEST_FORM: Final = 512 * 1024  # octets of the form: 500 lines of 300 characters, each up to three octets
MOST_TOLD: Final = 500  # lines that were refused are told, and as many others
_LONGEST_NAME: Final = 100  # characters of the name of a file
_LONGEST_ADDRESS, _LONGEST_TEXT = 320, 500  # characters of what is told of a line


class ImportSummary(msgspec.Struct):
    """What became of a file: how many lines were added, updated, unchanged and refused, and of some of them what."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: int = 0
    told: list[ImportDone] = msgspec.field(default_factory=list)

    def count(self, done: Sequence[ImportDone]) -> None:
        """Counts some lines, and keeps what is to be told of them."""
        for line in done:
            number = getattr(self, line.result)
            setattr(self, line.result, number + 1)
            others = self.added + self.updated + self.unchanged
            if (self.refused if line.result == "refused" else others) <= MOST_TOLD:
                self.told.append(_cut(line))


def routes(portal: Portal) -> list[Route]:
    """Returns the routes of these pages."""
    return [
        portal.get(PATH, show),
        portal.post(PATH, take, _LONGEST_FORM),
        portal.put(FILE, take_file, user_file.LONGEST),
        portal.get(f"{PATH}/<run>", show_run),
    ]


async def show(visit: Visit) -> Answer:
    """Shows the form, and where there is JavaScript the choice of a file."""
    return _page(visit)


def _page(visit: Visit, text: str = "", done: Sequence[ImportDone] = (), error: str = "") -> Answer:
    return visit.render(
        "users_import.html",
        http.BAD_REQUEST if error else http.OK,
        text=text,
        done=done,
        error=error,
        file=FILE,
        longest=user_file.LONGEST,
        most_lines=user_file.MOST_LINES,
        most_pasted=MOST_PASTED,
    )


async def take(visit: Visit) -> Answer:
    """Takes lines of CSV that were pasted: shows what each would do, or begins to do it where that was seen."""
    text = visit.asked.form.get("text")
    lines = list(user_file.lines(text))
    if not lines or len(lines) > MOST_PASTED:
        return _page(visit, text, error=f"Give 1 to {MOST_PASTED} lines; choose a file for more.")
    if visit.asked.form.get("act") == "import":
        file = BytesIO(text.encode("utf-8", "surrogatepass"))
        return redirect(await _begin(visit, file, len(lines), {"preview": False, "name": "", "digest": ""}))
    try:
        done = await visit.call("user import", lines=msgspec.to_builtins(lines), preview=True)
    except Refused as refused:
        return _page(visit, text, error=refused_at(refused))
    return _page(visit, text, done)


async def take_file(visit: Visit) -> Answer:
    """Takes a file as the body of a PUT, and answers with the path of the run that looks at it, or imports it.

    Who imports it gives the digest of what was looked at: the file may have been changed since.
    """
    query = visit.asked.query
    assert visit.asked.pieces is not None
    preview = query.get("act") != "import"
    upload = await uploaded(visit.asked.pieces)
    try:
        digest = upload.digest.hex()
        if not upload.octets:
            raise Refused("the file is empty")
        if not preview and query.get("digest") != digest:
            raise Refused("the file is another one now than that which was looked at; look at it again", "conflict")
        about = {"preview": preview, "name": query.get("name")[:_LONGEST_NAME], "digest": digest}
        path = await _begin(visit, upload.file, upload.lines, about, upload)
    except BaseException:
        upload.close()
        raise
    return Answer(path.encode())


async def _begin(
    visit: Visit, file: user_file.Octets, lines: int, about: dict[str, Any], upload: Upload | None = None
) -> str:
    async def work(control: Control) -> ImportSummary:
        summary = ImportSummary()
        try:
            async for done in user_file.imported(control, file, {"preview": about["preview"]}):
                summary.count(done)
                control.progress({"line": done[-1].line, "lines": lines})
                await control.drained()
        finally:
            if upload is not None:
                upload.close()
        return summary

    return f"{PATH}/{await runs.begin(visit, _RUN, about, work)}"


async def show_run(visit: Visit) -> Answer:
    """Shows how far an import is, and what became of each line, or would."""
    run = await runs.find(visit, _RUN, visit.asked.parts["run"])
    summary = msgspec.convert(run.result, ImportSummary) if run.result is not None else None
    return visit.render("users_imported.html", run=run, summary=summary, most=MOST_TOLD)


def _cut(line: ImportDone) -> ImportDone:
    """What is told of a line: its text is the file's, and may be long."""
    if len(line.address) <= _LONGEST_ADDRESS and len(line.text) <= _LONGEST_TEXT:
        return line
    address, text = line.address[:_LONGEST_ADDRESS], line.text[:_LONGEST_TEXT]
    return ImportDone(line.line, f"{address}…", line.result, f"{text}…")
