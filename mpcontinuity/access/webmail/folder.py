"""The list of a folder: the newest messages first, a page at a time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import partial
from typing import Final
from urllib.parse import urlencode

from mpcontinuity.access.webmail.signed_in import HOME, Visit, Webmail
from mpcontinuity.access.webmail.signing_in import SigningIn
from mpcontinuity.access.webmail.window import matching, narrowing, number
from mpcontinuity.mailbox import archived, conversation_list, pages
from mpcontinuity.mailbox.append import MAX_UID
from mpcontinuity.mailbox.conversation_list import Conversation
from mpcontinuity.mailbox.mailboxes import MailboxInfo
from mpcontinuity.mailbox.pages import Listed
from mpcontinuity.model import identifier
from mpcontinuity.web.answers import Answer, Stream
from mpcontinuity.web.asked import Asked
from mpcontinuity.web.languages import marked
from mpcontinuity.web.routes import Route

ROWS: Final = 50  # of a page

CONVERSATIONS: Final = "conversations"  # as `view`: messages that belong together are one row

_NOTHING: Final = {
    "": marked("There is nothing here."),
    "unread": marked("Everything here is read."),
    "flagged": marked("Nothing here is flagged. Flag what you want to come back to."),
}
_NO_OLDER: Final = marked("There is nothing older here.")


def routes(webmail: Webmail) -> list[Route]:
    """Returns the routes of these pages."""
    return [Route("GET", HOME, FirstPage(webmail).show), webmail.get("/mail/<int:folder>/", show)]


class FirstPage:
    """The page ``/``: the login, or INBOX of who is signed in."""

    def __init__(self, webmail: Webmail) -> None:
        self._signing_in = SigningIn(webmail)
        self._webmail = webmail
        self._inbox = webmail.get(HOME, _show_inbox).handler

    async def show(self, asked: Asked) -> Answer | Stream:
        """Answers with the one or the other."""
        if await self._webmail.visit(asked) is None:
            return await self._signing_in.step(asked)
        return await self._inbox(asked)


async def _show_inbox(visit: Visit) -> Answer:
    return await _listing(visit, await visit.inbox())


async def show(visit: Visit) -> Answer:
    """Shows the messages of a folder."""
    return await _listing(visit, await visit.folder())


async def _listing(visit: Visit, folder: MailboxInfo) -> Answer:
    if archived.is_folder(folder):
        await visit.services.archives.look(visit.user)  # it is filled while somebody looks
    before = number(visit.asked.query.get("before"), MAX_UID + 1)
    only = narrowing(visit.asked.query.get("only"))
    store = visit.services.control.store
    total = 0
    together = visit.asked.query.get("view") == CONVERSATIONS and not only
    rows: Sequence[Listed | Conversation]
    if together:
        page = await conversation_list.page(store, folder, before, ROWS)
        rows, following = page.rows, page.before
    else:
        uids, total = await _uids(visit, folder, only, before)
        rows = await pages.listed(store, folder.id, uids[:ROWS])
        following = uids[ROWS - 1] if len(uids) > ROWS else 0
    # The window of a script begins at the newest message; the pages behind it are for who has none.
    window = f"/mail/{folder.id}/rows" if following and before > MAX_UID and not together else ""
    path, view = f"/mail/{folder.id}/", CONVERSATIONS if together else ""
    return await visit.render(
        "folder.html",
        here=folder.id,
        folder=folder,
        only=only,
        together=together,
        rows=rows,
        window=_with(window, only=only) if window else "",
        total=total,
        shown=identifier.show,
        changes=not archived.is_folder(folder),
        nothing=visit.said(_NO_OLDER if before <= MAX_UID else _NOTHING[only]),
        newest=_with(path, only=only, view=view) if before <= MAX_UID else "",
        older=_with(path, only=only, view=view, before=str(following)) if following else "",
    )


async def _uids(visit: Visit, folder: MailboxInfo, only: str, before: int) -> tuple[Sequence[int], int]:
    """Of a page, the newest first, and of one message more where there are more; and how many there are in all."""
    if not only:
        work = partial(pages.older, mailbox=folder.id, before=before, limit=ROWS + 1)
        return await visit.services.control.store.read(work), folder.messages
    found = (await matching(visit, folder, only)).uids
    end = bisect_left(found, before)
    return found[max(end - ROWS - 1, 0) : end][::-1], len(found)


def _with(path: str, **query: str) -> str:
    given = {name: value for name, value in query.items() if value}
    return f"{path}?{urlencode(given)}" if given else path
