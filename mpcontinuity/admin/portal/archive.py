"""The archive, ``/admin/archive``: found by a query, looked at, released and taken away as files.

To look for something is noted in the audit trail, so that nothing is looked for until a query was sent. A release goes
on where the browser goes away, and its page (``/admin/archive/released/…``) may be loaded again (runs.py).
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import AsyncGenerator
from dataclasses import replace
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import Any, Final

from twisted.web import http

from mpcontinuity.admin.portal import runs
from mpcontinuity.admin.portal.csv_lines import attachment
from mpcontinuity.admin.portal.signed_in import Portal, Visit, at_field, refused_at
from mpcontinuity.archive.search import ArchivedRow
from mpcontinuity.control.heard import heard
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.message import mbox
from mpcontinuity.model.errors import Refused
from mpcontinuity.web.answers import Answer, Stream, redirect
from mpcontinuity.web.asked import Fields
from mpcontinuity.web.routes import Route

PATH: Final = "/admin/archive"
RELEASED: Final = f"{PATH}/released"
_RUN: Final = "archive release"
_ROWS: Final = 50  # of a page: some milliseconds to write
_IN_MEMORY: Final = 1 << 20  # octets of one message; a larger one is spooled to the disk
_QUERY: Final = ("query", "user", "since", "until", "domain")

WORDS: Final = (
    ("report 2026", "both words, in the sender, the recipients, the subject, the text or the name of an attachment"),
    ("from:anna@example.org to:bert", "an address, or a word of one"),
    ("subject:report body:report", "a word in that place alone"),
    ("attachment:report.pdf has:attachment", "the name of an attachment; any attachment"),
    ("since:2026-11-20 until:2026-11-22 on:2026-11-22 since:7d", "by when it came; days are those of UTC"),
    ("direction:inbound direction:outbound", "by whether it came or went"),
    ("larger:10M smaller:500k", "by its size"),
    ("message-id:<…> id:0123456789abc", "one message, by its Message-ID or by its id in the archive"),
    ("-draft -from:anna", "what does not have it"),
)


def routes(portal: Portal) -> list[Route]:
    """Returns the routes of these pages."""
    return [
        portal.get(PATH, show),
        portal.post(PATH, release),
        portal.post(f"{PATH}/found", release_found),
        portal.get(f"{PATH}.mbox", export),
        portal.get(f"{RELEASED}/<run>", show_released),
        portal.get(f"{PATH}/<archived>", show_one),
        portal.post(f"{PATH}/<archived>", release_one),
        portal.get(f"{PATH}/<archived>/message.eml", download),
    ]


async def show(visit: Visit) -> Answer:
    """Lists what the query of the address finds, the newest first."""
    return await _searched(visit, visit.asked.query)


async def _searched(visit: Visit, typed: Fields, refused: dict[str, str] | None = None) -> Answer:
    """The page of a search, by the fields of the address or of a form that was refused."""
    given = {name: typed.get(name).strip() for name in (*_QUERY, "after") if typed.get(name).strip()}
    errors, said, rows = dict(refused or {}), list[Any](), list[ArchivedRow]()
    asked = "query" in typed
    if asked:
        listening = replace(visit, control=replace(visit.control, progress=said.append))
        try:
            rows = await listening.call("archive search", limit=_ROWS, **given)
        except Refused as error:
            if error.kind == "forbidden":
                raise
            errors = {**at_field(error, *_QUERY), **errors}
    return visit.render(
        "archive.html",
        http.BAD_REQUEST if errors else http.OK,
        rows=rows,
        asked=asked,
        next_page=visit.next_page("archive search", rows, _ROWS) if typed is visit.asked.query else "",
        unsearched=sum(each.get("unsearched", 0) for each in said),
        words=WORDS,
        domains=await visit.domains(),
        typed=typed,
        chosen=typed.all("id"),
        filtered={"query": "", **{name: value for name, value in given.items() if name in _QUERY}},
        narrow=any(name in given for name in ("query", "user", "since", "until")),
        errors=errors,
    )


async def release(visit: Visit) -> Answer:
    """Releases the messages that were chosen of a list, and leads to what each recipient's server answered."""
    form = visit.asked.form
    if not form.all("id"):
        return await _searched(visit, form, {"chosen": "Choose messages first."})
    try:
        return await _released(visit, "archive release", {}, {"ids": form.all("id"), **_to(form)})
    except Refused as error:
        if error.kind == "forbidden":
            raise
        return await _searched(visit, form, at_field(error, "to", ids="chosen"))


async def release_found(visit: Visit) -> Answer:
    """Releases all that a query finds, and leads to the page that tells how far it is."""
    form = visit.asked.form
    given = {name: form.get(name).strip() for name in _QUERY if form.get(name).strip()}
    again = form.get("again") == "yes"
    try:
        return await _released(visit, "archive release found", given, {"again": again, **given, **_to(form)})
    except Refused as error:
        if error.kind == "forbidden":
            raise
        errors = at_field(error, "all", "to")
        return await _searched(visit, form, {"all_to": errors["to"]} if "to" in errors else errors)


async def _released(visit: Visit, operation: str, query: dict[str, str], arguments: dict[str, Any]) -> Answer:
    """Begins a release, and leads to its page. Raises Refused where nothing is released."""
    found = operation == "archive release found"
    return await begin_release(visit, partial(OPERATIONS[operation], arguments=arguments), query, found=found)


async def begin_release(visit: Visit, work: runs.Work, query: dict[str, str], *, found: bool = False) -> Answer:
    """Begins what releases messages, and leads to the page of that run.

    ``work`` returns a list of `ReleasedTo`, or, where it releases all that a ``query`` has ``found``, a `ReleasedMany`.
    Raises Refused where it does so before it has said anything.
    """
    return redirect(f"{RELEASED}/{await runs.begin(visit, _RUN, {'query': query, 'found': found}, work)}")


async def show_released(visit: Visit) -> Answer:
    """Shows how far a release is, and at its end what became of it for each recipient."""
    run = await runs.find(visit, _RUN, visit.asked.parts["run"])
    many = run.result if run.about["found"] else None
    lines = (many["failed"] if many else run.result) or []
    return visit.render("archive_released.html", run=run, lines=lines, many=many)


async def export(visit: Visit) -> Stream:
    """Gives all that a query finds as an mbox, the oldest first."""
    said = heard(visit.control, "archive export", visit.asked_by(*_QUERY))
    await anext(said)  # how many there are; what is refused is refused here
    return Stream(_exported(said), "application/mbox", attachment("archive.mbox"))


async def _exported(said: AsyncGenerator[Any, None]) -> AsyncGenerator[bytes, None]:
    """A damaged message is known when the last of it was said, so that each is gathered first."""
    spool = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115  the next message has its own
    try:
        async for each in said:
            if "data" in each:
                spool.write(b64decode(each["data"]))
                continue
            if "message" in each:
                spool.seek(0)
                for piece in mbox.separated(each["message"]["sender"], each["message"]["time"], spool):
                    yield piece
            spool.close()
            spool = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
    finally:
        spool.close()
        await said.aclose()


async def show_one(visit: Visit, errors: dict[str, str] | None = None) -> Answer:
    """Shows one message: what is known of it, and its header as it is stored."""
    said: list[Any] = []
    listening = replace(visit, control=replace(visit.control, progress=said.append))
    row = await listening.call("archive show", id=_id(visit), header=True)
    header = b"".join(b64decode(each["data"]) for each in said).decode("utf-8", "replace")
    return visit.render(
        "archived.html",
        http.BAD_REQUEST if errors else http.OK,
        row=row,
        header=header.replace("\r\n", "\n").split("\n"),
        typed=visit.asked.form,
        errors=errors or {},
    )


async def release_one(visit: Visit) -> Answer:
    """Releases one message, and leads to what each recipient's server answered."""
    try:
        return await _released(visit, "archive release", {}, {"ids": [_id(visit)], **_to(visit.asked.form)})
    except Refused as error:
        if error.kind == "forbidden":
            raise
        return await show_one(visit, {"to": refused_at(error)})


async def download(visit: Visit) -> Stream:
    """Gives one message as a file, octet by octet as it is stored."""
    said = heard(visit.control, "archive show", {"id": _id(visit)})
    first = await anext(said, None)
    return Stream(_octets(said, first), "message/rfc822", attachment(f"{_id(visit)}.eml"))


async def _octets(said: AsyncGenerator[Any, None], first: Any) -> AsyncGenerator[bytes, None]:
    try:
        if first is not None:
            yield b64decode(first["data"])
        async for each in said:
            yield b64decode(each["data"])
    finally:
        await said.aclose()


def _id(visit: Visit) -> str:
    return visit.asked.parts["archived"].lower()


def _to(form: Fields) -> dict[str, str]:
    to = form.get("to").strip()
    return {"to": to} if to else {}
