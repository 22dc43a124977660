"""The page of a conversation: its messages in all folders, the newest opened, the others folded."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from mpcontinuity.access.webmail import contents
from mpcontinuity.access.webmail.contents import Opened
from mpcontinuity.access.webmail.kinds import VIEWED
from mpcontinuity.access.webmail.message import note_read
from mpcontinuity.access.webmail.reading import Message, body_of
from mpcontinuity.access.webmail.signed_in import Visit, Webmail
from mpcontinuity.access.webmail.window import number
from mpcontinuity.mailbox import archived, conversation_list
from mpcontinuity.mailbox.mailboxes import MailboxInfo
from mpcontinuity.mailbox.pages import Listed
from mpcontinuity.model import identifier
from mpcontinuity.model.errors import Corrupt, Refused, Temporary
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.headers import PAGES_WITH_DOCUMENT
from mpcontinuity.web.routes import Route

MESSAGES: Final = 30  # of a page: each has its text in a frame of its own once it is opened
READ: Final = 5  # the newest of a page, whose warnings and files are shown: a reader takes up to 2 s for each


@dataclass(frozen=True, slots=True)
class Member:
    """A message of the conversation, and its folder. One is ``opened``, the newest.

    ``contents`` is what a reader found in it; None for those that are older than the newest, or could not be read.
    """

    folder: MailboxInfo
    message: Listed
    opened: bool
    contents: Opened | None = None

    @property
    def name(self) -> str:
        """What it is called where it is answered or written on: its folder and UID."""
        return f"{self.folder.id}.{self.message.uid}"

    @property
    def deletable(self) -> bool:
        """Whether it can be thrown away: not from a folder that cannot be changed."""
        return not archived.is_folder(self.folder)

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
    members = [
        replace(one, contents=await _contents(visit, one)) if len(members) - at <= READ else one
        for at, one in enumerate(members)
    ]
    path = visit.asked.path
    return await visit.render(
        "conversation.html",
        here=members[-1].folder.id if members else 0,
        members=members,
        viewed=VIEWED,
        subject=next((one.message.overview.subject for one in members if one.message.overview.subject), ""),
        count=len(there.messages),
        more=there.more,
        older=f"{path}?skip={skip + MESSAGES}" if end > MESSAGES else "",
        newer=path if skip else "",
    )


async def _contents(visit: Visit, one: Member) -> Opened | None:
    """What is in it. One that cannot be read takes no other one from the page: its own says why."""
    body = await body_of(visit.services.control.store, one.folder.id, one.message.uid)
    if body is not None:
        with suppress(Temporary, Corrupt):
            return await contents.opened_of(visit, Message(visit.user.id, one.folder.id, one.message.uid, body))
    return None


def _id(visit: Visit, shown: str) -> int:
    try:
        return identifier.parse(shown)
    except ValueError:
        raise Refused(visit.said("There is no such conversation"), "unknown") from None
