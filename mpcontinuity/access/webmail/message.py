"""One message: who wrote it to whom, and what it says."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from twisted.web import http

from mpcontinuity.access.webmail import acting
from mpcontinuity.access.webmail.signed_in import Visit, Webmail
from mpcontinuity.mailbox import archived, pages, read
from mpcontinuity.mailbox.mailboxes import MailboxInfo
from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.mailbox.pages import Listed
from mpcontinuity.message import text
from mpcontinuity.message.structure import Part, scan
from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.flags import SEEN
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
    await note_read(visit, folder, listed[0])
    body = rows[0][read.BODY]
    content = await store.bodies.read(body) if body is not None else b""
    shown = await store.bodies.background(partial(_text, content))
    return await visit.render(
        "message.html",
        here=folder.id,
        folder=folder,
        message=listed[0],
        text=shown,
        changes=not archived.is_folder(folder),
    )


async def note_read(visit: Visit, folder: MailboxInfo, message: Listed) -> None:
    """Marks a message as read, now that somebody reads it: not where a browser only looks ahead, nor in a folder that
    cannot be changed. A full disk keeps nobody from reading."""
    looks_ahead = "prefetch" in visit.asked.header("sec-purpose") or visit.asked.method == "HEAD"
    if message.seen or looks_ahead or archived.is_folder(folder):
        return
    with suppress(Temporary, MailboxRefused):
        await acting.set_flags(visit.services.control.store, folder, [message.uid], "add", SEEN)


def _text(content: bytes) -> str:
    part = _plain(scan(content))
    return "".join(text.of_part(content, part))[:_LONGEST] if part is not None else ""


def _plain(part: Part) -> Part | None:
    if part.parts:
        return next((found for child in part.parts if (found := _plain(child)) is not None), None)
    return part if part.type.kind == (b"text", b"plain") else None
