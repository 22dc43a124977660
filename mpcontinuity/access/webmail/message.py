"""One message: who wrote it to whom, and what it says."""

from __future__ import annotations

from functools import partial

from twisted.web import http

from mpcontinuity.access.webmail.signed_in import Visit, Webmail
from mpcontinuity.mailbox import pages, read
from mpcontinuity.message import text
from mpcontinuity.message.structure import Part, scan
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.routes import Route

_LONGEST = 100_000  # characters of the text that are shown


def routes(webmail: Webmail) -> list[Route]:
    """Returns the routes of these pages."""
    return [webmail.get("/mail/<int:folder>/<int:uid>", show)]


async def show(visit: Visit) -> Answer:
    """Shows a message."""
    folder = await visit.folder()
    store, uid = visit.services.control.store, int(visit.asked.parts["uid"])
    rows = await store.read(partial(read.rows, mailbox=folder.id, uids=[uid], body=True))
    listed = await pages.listed(store, folder.id, [uid])
    if not rows or not listed:
        return await visit.render("message_gone.html", http.NOT_FOUND, here=folder.id, folder=folder)
    body = rows[0][read.BODY]
    content = await store.bodies.read(body) if body is not None else b""
    shown = await store.bodies.background(partial(_text, content))
    return await visit.render("message.html", here=folder.id, folder=folder, message=listed[0], text=shown)


def _text(content: bytes) -> str:
    part = _plain(scan(content))
    return "".join(text.of_part(content, part))[:_LONGEST] if part is not None else ""


def _plain(part: Part) -> Part | None:
    if part.parts:
        return next((found for child in part.parts if (found := _plain(child)) is not None), None)
    return part if part.type.kind == (b"text", b"plain") else None
