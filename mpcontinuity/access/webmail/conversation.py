"""The page of a conversation: its messages in all folders, the newest opened, the others folded."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

from mpcontinuity.access.webmail.message import note_read
from mpcontinuity.access.webmail.signed_in import Visit, Webmail
from mpcontinuity.access.webmail.window import number
from mpcontinuity.mailbox import conversation_list
from mpcontinuity.mailbox.mailboxes import MailboxInfo
from mpcontinuity.mailbox.pages import Listed
from mpcontinuity.model import identifier
from mpcontinuity.model.errors import Refused
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.headers import PAGES_WITH_DOCUMENT
from mpcontinuity.web.routes import Route

MESSAGES: Final = 30  # of a page: each has its text in a frame of its own once it is opened


@dataclass(frozen=True, slots=True)
class Member:
    """A message of the conversation, and its folder. One is ``opened``, the newest."""

    folder: MailboxInfo
    message: Listed
    opened: bool

    @property
    def path(self) -> str:
        """The path of the message's own page."""
        return f"/mail/{self.folder.id}/{self.message.uid}"


def routes(webmail: Webmail) -> list[Route]:
    """Returns the routes of these pages."""
    return [webmail.get("/conversation/<id>", show, PAGES_WITH_DOCUMENT)]


async def show(visit: Visit) -> Answer:
    """Shows a conversation: the newest messages, or older ones behind so many that the query's ``skip`` says."""
    store = visit.services.control.store
    there = await store.read(
        partial(conversation_list.opened, account=visit.user.id, conversation=_id(visit, visit.asked.parts["id"]))
    )
    if not there.messages:
        raise Refused(visit.said("There is no such conversation"), "unknown")
    skip = min(number(visit.asked.query.get("skip"), 0), len(there.messages) - 1)
    end = len(there.messages) - skip
    some = there.messages[max(end - MESSAGES, 0) : end]
    found = await conversation_list.listed(store, [(one.mailbox, one.uid) for one in some])
    folders = {info.id: info for info in await visit.folders()}
    members = [
        Member(folders[one.mailbox], found[one.mailbox, one.uid], one == there.messages[-1])
        for one in some
        if one.mailbox in folders and (one.mailbox, one.uid) in found
    ]
    if members and members[-1].opened:
        await note_read(visit, members[-1].folder, members[-1].message)
    path = visit.asked.path
    return await visit.render(
        "conversation.html",
        here=members[-1].folder.id if members else 0,
        members=members,
        subject=next((one.message.overview.subject for one in members if one.message.overview.subject), ""),
        count=len(there.messages),
        more=there.more,
        older=f"{path}?skip={skip + MESSAGES}" if end > MESSAGES else "",
        newer=path if skip else "",
    )


def _id(visit: Visit, shown: str) -> int:
    try:
        return identifier.parse(shown)
    except ValueError:
        raise Refused(visit.said("There is no such conversation"), "unknown") from None
