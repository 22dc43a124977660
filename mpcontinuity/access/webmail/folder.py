"""The list of a folder: the newest messages first, a page at a time."""

from __future__ import annotations

from functools import partial
from typing import Final

from mpcontinuity.access.webmail.signed_in import HOME, Visit, Webmail
from mpcontinuity.access.webmail.signing_in import SigningIn
from mpcontinuity.mailbox import pages
from mpcontinuity.mailbox.append import MAX_UID
from mpcontinuity.mailbox.mailboxes import MailboxInfo
from mpcontinuity.web.answers import Answer, Stream
from mpcontinuity.web.asked import Asked
from mpcontinuity.web.routes import Route

ROWS: Final = 50  # of a page


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
            return self._signing_in.ask(asked)
        return await self._inbox(asked)


async def _show_inbox(visit: Visit) -> Answer:
    return await _listing(visit, await visit.inbox())


async def show(visit: Visit) -> Answer:
    """Shows the messages of a folder."""
    return await _listing(visit, await visit.folder())


async def _listing(visit: Visit, folder: MailboxInfo) -> Answer:
    store = visit.services.control.store
    before = _number(visit.asked.query.get("before"), MAX_UID + 1)
    uids = await store.read(partial(pages.older, mailbox=folder.id, before=before, limit=ROWS + 1))
    rows = await pages.listed(store, folder.id, uids[:ROWS])
    return await visit.render(
        "folder.html",
        here=folder.id,
        folder=folder,
        rows=rows,
        older=f"/mail/{folder.id}/?before={uids[ROWS - 1]}" if len(uids) > ROWS else "",
    )


def _number(text: str, otherwise: int) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_UID)) else otherwise
