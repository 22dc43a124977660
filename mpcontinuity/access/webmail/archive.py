"""The archive as a place of its own: what came and went in the last weeks, found, read, answered and put into the
mailbox."""

from __future__ import annotations

from dataclasses import replace
from typing import Final
from urllib.parse import urlencode

from twisted.web import http

from mpcontinuity.access.webmail import archive_search, contents
from mpcontinuity.access.webmail.kinds import VIEWED
from mpcontinuity.access.webmail.question import LONGEST, NotUnderstood
from mpcontinuity.access.webmail.searching import read_question
from mpcontinuity.access.webmail.signed_in import Visit, Webmail
from mpcontinuity.archive.query import Query
from mpcontinuity.control import archived as operations
from mpcontinuity.control.archived import ReleasedTo
from mpcontinuity.control.caller import Caller
from mpcontinuity.model.address import BadAddress, parse
from mpcontinuity.model.errors import Refused
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.headers import PAGES_WITH_DOCUMENT
from mpcontinuity.web.languages import marked
from mpcontinuity.web.routes import Route

PATH: Final = "/archive/"
ROWS: Final = 50

_SAID: Final = {
    "home": marked("Your mail server has taken the message: it is in your usual mailbox."),
    "inbox": marked("The message is in your inbox."),
    "owed": marked("The message is kept, and goes to your usual mailbox."),
}
_NOT_NOW: Final = marked("The message could not be put into your mailbox now. Please try again later.")


def routes(webmail: Webmail) -> list[Route]:
    """Returns the routes of these pages."""
    return [
        webmail.get(PATH, show),
        webmail.get(f"{PATH}<id>", show_message, PAGES_WITH_DOCUMENT),
        webmail.post(f"{PATH}<id>/keep", keep),
    ]


async def show(visit: Visit) -> Answer:
    """Shows the newest messages of the archive, or what a question finds there."""
    typed = read_question(visit, "")
    query = Query()
    if typed.question is not None:
        try:
            query = typed.question.query()
        except NotUnderstood as error:
            typed = replace(typed, question=None, error=visit.said(error.text, **error.values))
    found = None
    if not typed.error:
        found = await archive_search.search(visit, query, ROWS, visit.asked.query.get("after"))
    onward = {"q": typed.text, "after": found.after if found is not None else ""}
    return await visit.render(
        "archive.html",
        http.BAD_REQUEST if typed.error else http.OK,
        asked=typed,
        longest=LONGEST,
        found=found,
        older=f"{PATH}?{urlencode({name: value for name, value in onward.items() if value})}"
        if found is not None and found.after
        else "",
    )


async def show_message(visit: Visit) -> Answer:
    """Shows a message of the archive."""
    _, row = await archive_search.own(visit, visit.asked.parts["id"])
    opened = await contents.opened(visit, anew=True)
    return await visit.render("archived.html", row=row, opened=opened, viewed=VIEWED)


async def keep(visit: Visit) -> Answer:
    """Puts a message of the archive into the user's mailbox: the usual one while that is there, else the inbox here.

    It is owed to the home server only where that never took it.
    """
    message, row = await archive_search.own(visit, visit.asked.parts["id"])
    caller = Caller(visit.user.address, parse(visit.user.address).domain, visit.user.address, "webmail")
    control = replace(visit.services.control, caller=caller)
    to = visit.user.address if row.sent else row.recipients[0]
    owners = {_key(owner): owner for owner in message.owners}
    try:
        # In the words of the envelope, so that what home took is known not to be owed.
        address = parse(owners.get(_key(row.sender if row.sent else to), to))
    except BadAddress:
        raise Refused(visit.said("This message has no address of yours"), "conflict") from None
    (done,) = await operations.release_one(control, operations.running(control), message, [address])
    return await visit.done(_said(visit, done), f"{PATH}{row.id}")


def _said(visit: Visit, done: ReleasedTo) -> str:
    if done.way not in _SAID:
        return visit.said(_NOT_NOW)
    return visit.said(_SAID[done.way])


def _key(given: str) -> str:
    try:
        return parse(given).key
    except BadAddress:
        return given
