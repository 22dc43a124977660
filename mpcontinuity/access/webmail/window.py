"""A window over a folder of any size: a script asks for the rows at some places of the list, which the page is as high
as. The newest message is at place 0.

Places are found in the picture of the folder that sessions of IMAP share (mailbox/view.py): to skip 50,000 messages is
a step in an array there, and in the table it would be to read 50,000 rows.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

from twisted.internet.defer import Deferred

from mpcontinuity.access.webmail.signed_in import Visit, Webmail
from mpcontinuity.mailbox import pages
from mpcontinuity.mailbox.append import MAX_UID
from mpcontinuity.mailbox.mailboxes import MailboxInfo
from mpcontinuity.model.flags import FLAGGED, SEEN
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.routes import Route

MOST: Final = 200  # rows of an answer: what the highest screen shows, and as much above and below it

# Which messages a list may be narrowed to: the flag, and whether they have it.
ONLY: Final = {"unread": (SEEN, False), "flagged": (FLAGGED, True)}

_AT_A_STRETCH: Final = 10_000  # messages whose flags are looked at before others have their turn: half a ms


@dataclass(frozen=True, slots=True)
class Matching:
    """The UIDs of messages of a folder, rising, as they were when its highest modseq was ``modseq``."""

    uids: array[int]
    modseq: int


def routes(webmail: Webmail) -> list[Route]:
    """Returns the route of the rows."""
    return [webmail.get("/mail/<int:folder>/rows", rows)]


async def rows(visit: Visit) -> Answer:
    """Answers with rows of a folder, by the template of its page: up to ``count``, from the place ``from`` on, or from
    so many places ``above`` the message ``uid``, or where it would be.

    The list says as well how many messages there are now, where the first row stands, and where that message would be.
    """
    folder, query = await visit.folder(), visit.asked.query
    only = narrowing(query.get("only"))
    found = await matching(visit, folder, only)
    total = len(found.uids)
    count = min(_natural(query.get("count"), MOST), MOST)
    uid = number(query.get("uid"), 0)
    at = max(min(total - bisect_right(found.uids, uid), total - 1), 0) if uid else 0
    first = max(at - _natural(query.get("above"), 0), 0) if uid else min(_natural(query.get("from"), 0), total)
    wanted = found.uids[max(total - first - count, 0) : total - first]
    wanted.reverse()
    listed = await pages.listed(visit.services.control.store, folder.id, wanted)
    places = {each: first + place for place, each in enumerate(wanted)}
    return visit.part(
        "rows.html",
        folder=folder,
        modseq=found.modseq,
        rows=[(row, places[row.uid]) for row in listed],
        total=total,
        at=at,
    )


async def matching(visit: Visit, folder: MailboxInfo, only: str) -> Matching:
    """Returns the messages to which ``only``, a key of `ONLY`, narrows a folder; all for an empty one.

    They are found in the picture that sessions of IMAP share. Raises MailboxRefused and Temporary.
    """
    view = await visit.services.views.open(folder)
    try:
        if not only:
            return Matching(view.uids(), view.modseq)
        mask, present = ONLY[only]
        modseq = view.modseq
        uids = array("I")
        for first in range(1, view.exists + 1, _AT_A_STRETCH):
            if first > 1:
                await _let_others(visit)
            uids.extend(view.flagged(mask, first, first + _AT_A_STRETCH - 1, present=present))
        return Matching(uids, modseq)
    finally:
        view.close()


async def _let_others(visit: Visit) -> None:
    later = Deferred[None]()
    visit.services.timer.callLater(0, later.callback, None)
    await later


def narrowing(text: str) -> str:
    """Returns the key of `ONLY` that a client has written, empty where it is none."""
    return text if text in ONLY else ""


def number(text: str, otherwise: int) -> int:
    """Returns the UID that a client has written, or ``otherwise`` where it is none."""
    found = _natural(text, 0)
    return found if 0 < found <= MAX_UID else otherwise


def _natural(text: str, otherwise: int) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_UID)) else otherwise
