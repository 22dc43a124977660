"""One message: who wrote it to whom, and what it says."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from twisted.web import http

from mpcontinuity.access.webmail import acting, contents, fate, invitations
from mpcontinuity.access.webmail.fate import ToldOfSent
from mpcontinuity.access.webmail.kinds import VIEWED
from mpcontinuity.access.webmail.letter_form import id_of
from mpcontinuity.access.webmail.signed_in import Visit, Webmail
from mpcontinuity.mailbox import archived, conversations, pages, sent
from mpcontinuity.mailbox.append import UID_BITS
from mpcontinuity.mailbox.drafts import DraftChanged
from mpcontinuity.mailbox.mailboxes import MailboxInfo
from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.mailbox.pages import Listed
from mpcontinuity.message.display.shown import Shown
from mpcontinuity.message.scheduling import ANSWERS, LONGEST_COMMENT
from mpcontinuity.model import identifier
from mpcontinuity.model.address import parse
from mpcontinuity.model.errors import Refused, Temporary
from mpcontinuity.model.flags import SEEN
from mpcontinuity.web.answers import Answer, redirect
from mpcontinuity.web.headers import PAGES_WITH_DOCUMENT
from mpcontinuity.web.languages import marked
from mpcontinuity.web.routes import Route

_NOT_NOW: Final = marked("The server cannot take your answer now. Please try again in a minute.")


def routes(webmail: Webmail) -> list[Route]:
    """Returns the routes of these pages."""
    return [
        webmail.get(contents.BELOW, show, PAGES_WITH_DOCUMENT),
        webmail.post(f"{contents.BELOW}/invitation", answer_invitation),
    ]


@dataclass(frozen=True, slots=True)
class Unsent:
    """An answer to an invitation that was not sent: to which of the message, why, and what was typed."""

    event: int
    text: str
    comment: str


async def show(visit: Visit) -> Answer:
    """Shows a message."""
    return await _page(visit)


async def answer_invitation(visit: Visit) -> Answer:
    """Sends an answer to an invitation of a message, to whoever invited."""
    form, reading = visit.asked.form, visit.services.reading
    of = await contents.message(visit)
    shown = await reading.taken_apart(of, parse(visit.user.address).domain)
    number = form.get("event")
    at = int(number) if number.isascii() and number.isdecimal() and len(number) < 3 else len(shown.invitations)
    answer = next((each for each in ANSWERS if each == form.get("answer")), None)
    if at >= len(shown.invitations) or not shown.invitations[at].invited or answer is None:
        raise Refused(marked("This invitation cannot be answered here"), "conflict")
    comment = " ".join(form.get("comment").split())[:LONGEST_COMMENT]
    here = f"{of.path}#invitation-{at}"
    try:
        faults = await invitations.send(
            visit, of, shown, shown.invitations[at], answer, comment, id_of(form.get("draft"))
        )
    except DraftChanged:  # a second click
        return redirect(here)
    except Temporary:
        return await _page(visit, Unsent(at, visit.said(_NOT_NOW), comment), http.SERVICE_UNAVAILABLE)
    if faults:
        why = " ".join([visit.said(fault.text) for fault in faults])
        return await _page(visit, Unsent(at, why, comment), http.BAD_REQUEST)
    return redirect(here)


async def _page(visit: Visit, refused: Unsent | None = None, code: int = http.OK) -> Answer:
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
        code,
        here=folder.id,
        folder=folder,
        message=listed[0],
        opened=opened,
        answering=await invitations.answering(visit, opened.shown),
        refused=refused,
        longest_comment=LONGEST_COMMENT,
        viewed=VIEWED,
        changes=not archived.is_folder(folder),
        fate=await fate.of_entry(visit, opened.message.body.id),
        sent=await _sent(visit, folder, listed[0], opened.shown),
        conversation=identifier.show(conversation) if conversation else "",
    )


async def _sent(visit: Visit, folder: MailboxInfo, message: Listed, shown: Shown) -> ToldOfSent | None:
    """What became of it for its recipients, where the user has sent it."""
    if not sent.takes(folder) or not shown.message_id:
        return None
    return await fate.of_sent(visit, shown.message_id, message.date)


async def note_read(visit: Visit, folder: MailboxInfo, message: Listed) -> None:
    """Marks a message as read, now that somebody reads it: not where a browser only looks ahead, nor in a folder that
    cannot be changed. A full disk keeps nobody from reading."""
    looks_ahead = "prefetch" in visit.asked.header("sec-purpose") or visit.asked.method == "HEAD"
    if message.seen or looks_ahead or archived.is_folder(folder):
        return
    with suppress(Temporary, MailboxRefused):
        await acting.set_flags(visit.services.control.store, folder, [message.uid], "add", SEEN)
