"""One message: who wrote it to whom, and what it says."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from twisted.web import http

from mpcontinuity.access.webmail import acting, contents, fate
from mpcontinuity.access.webmail.kinds import VIEWED
from mpcontinuity.access.webmail.signed_in import Visit, Webmail
from mpcontinuity.mailbox import archived, conversations, pages
from mpcontinuity.mailbox.append import UID_BITS
from mpcontinuity.mailbox.mailboxes import MailboxInfo
from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.mailbox.pages import Listed
from mpcontinuity.model import identifier
from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.flags import SEEN
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.headers import PAGES_WITH_DOCUMENT
from mpcontinuity.web.routes import Route


def routes(webmail: Webmail) -> list[Route]:
    """Returns the routes of these pages."""
    return [webmail.get(contents.BELOW, show, PAGES_WITH_DOCUMENT)]


async def show(visit: Visit) -> Answer:
    """Shows a message."""
    folder, uid = await visit.folder(), int(visit.asked.parts["uid"])
    listed = await pages.listed(visit.services.control.store, folder.id, [uid])
    if not listed:
        return await visit.render("message_gone.html", http.NOT_FOUND, here=folder.id, folder=folder)
    opened = await contents.opened(visit, anew=True)
    await note_read(visit, folder, listed[0])
    entry = folder.id << UID_BITS | uid
    conversation = await visit.services.control.store.read(partial(conversations.with_others, entry=entry))
    return await visit.render(
        "message.html",
        here=folder.id,
        folder=folder,
        message=listed[0],
        opened=opened,
        viewed=VIEWED,
        changes=not archived.is_folder(folder),
        fate=await fate.of_entry(visit, opened.message.body.id),
        conversation=identifier.show(conversation) if conversation else "",
    )


async def note_read(visit: Visit, folder: MailboxInfo, message: Listed) -> None:
    """Marks a message as read, now that somebody reads it: not where a browser only looks ahead, nor in a folder that
    cannot be changed. A full disk keeps nobody from reading."""
    looks_ahead = "prefetch" in visit.asked.header("sec-purpose") or visit.asked.method == "HEAD"
    if message.seen or looks_ahead or archived.is_folder(folder):
        return
    with suppress(Temporary, MailboxRefused):
        await acting.set_flags(visit.services.control.store, folder, [message.uid], "add", SEEN)
