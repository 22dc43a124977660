"""What a message contains: the document in its frame, and the same to be printed, its header and its source.

The document is a stranger's. It is answered at a path of its own, whose policy would hold if nothing had been taken
from it (docs/decisions/0047).
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Final

from twisted.web import http

from mpcontinuity.access.webmail import archive_search, dates
from mpcontinuity.access.webmail.invitations import Event, events
from mpcontinuity.access.webmail.kinds import VIEWED
from mpcontinuity.access.webmail.reading import MOST_UID, Message, Reading, body_of
from mpcontinuity.access.webmail.signed_in import Visit, Webmail
from mpcontinuity.mailbox import trusted_senders
from mpcontinuity.message.display import names
from mpcontinuity.message.display.document import document, policy
from mpcontinuity.message.display.shown import Person, Shown
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.errors import Refused
from mpcontinuity.web.answers import HTML, TEXT, Answer, Stream
from mpcontinuity.web.headers import DATA, DOCUMENT, PAGES_WITH_DOCUMENT
from mpcontinuity.web.languages import marked
from mpcontinuity.web.routes import Route

BELOW: Final = f"/mail/<int:folder>/<int(max={MOST_UID}):uid>"  # of what belongs to one message
_OUTER: Final = (BELOW, "/archive/<id>")
ENCLOSED: Final = tuple(f"{below}/enclosed/<within>" for below in _OUTER)  # messages that are within others
PLACES: Final = (*_OUTER, *ENCLOSED)  # where messages are
_SOURCE: Final = DATA.but({"sandbox": "", "frame-ancestors": "'none'"})
_SHORT: Final = 400  # characters of a message whose frame is low
_SHORT_LINES: Final = 8
_YEAR_9999: Final = 253_370_764_800  # s since 1970
_HOST: Final = re.compile(r"[A-Za-z0-9._:\[\]-]{1,300}")
_GONE: Final = marked("There is no such message")


def routes(webmail: Webmail) -> list[Route]:
    """Returns the routes of these pages."""
    pages = [webmail.get(below, show_enclosed, PAGES_WITH_DOCUMENT) for below in ENCLOSED]
    return [*pages, *(route for below in PLACES for route in _below(webmail, below))]


def _below(webmail: Webmail, below: str) -> list[Route]:
    return [
        webmail.get(f"{below}/document", show_document, DOCUMENT),
        webmail.get(f"{below}/print", show_printed, DOCUMENT),
        webmail.get(f"{below}/headers", show_header),
        webmail.get(f"{below}/original", show_source, _SOURCE),
        webmail.post(f"{below}/pictures", want_pictures),
    ]


async def show_enclosed(visit: Visit) -> Answer:
    """Shows a message that is within another one, on a page of its own."""
    each = await opened(visit, anew=True)
    return await visit.render("enclosed.html", here=each.message.folder, opened=each, viewed=VIEWED)


@dataclass(frozen=True, slots=True)
class Opened:
    """A message as it is shown, and whether pictures from elsewhere are loaded by the browser.

    ``asked`` is what the path of the frame has for that, with its question mark; empty where nothing is asked.
    """

    message: Message
    shown: Shown
    remote: bool
    asked: str
    events: tuple[Event, ...] = ()

    @property
    def sent(self) -> int:
        """When it says that it was sent, in µs; 0 where that is no time of a calendar."""
        return self.shown.sent * SECOND if 0 < self.shown.sent < _YEAR_9999 else 0

    @property
    def short(self) -> bool:
        """Whether it fits into a low frame: some lines of text, and nothing whose height nobody knows."""
        shown = self.shown
        high = any(each in shown.html for each in ("<img", "<table", "<hr"))
        return not high and not shown.css and len(shown.text) < _SHORT and shown.text.count("\n") < _SHORT_LINES


async def message(visit: Visit) -> Message:
    """Returns the message that the path names. Raises Refused where there is none, or it is not the user's, and what
    `Reading.taken_apart` raises for one that is within another."""
    of = await _outer(visit)
    if "within" not in visit.asked.parts:
        return of
    domain = parse(visit.user.address).domain
    found = await visit.services.reading.enclosed(of, domain, visit.asked.parts["within"])
    if found is None:
        raise Refused(visit.said(_GONE), "unknown")
    return found


async def _outer(visit: Visit) -> Message:
    if "id" in visit.asked.parts:
        kept, row = await archive_search.own(visit, visit.asked.parts["id"])
        return Message(visit.user.id, 0, 0, kept.body, row.id)
    folder = await visit.folder()
    uid = int(visit.asked.parts["uid"])
    found = await body_of(visit.services.control.store, folder.id, uid)
    if found is None:
        raise Refused(visit.said(_GONE), "unknown")
    return Message(visit.user.id, folder.id, uid, found)


async def opened(visit: Visit, *, anew: bool = False) -> Opened:
    """Returns the message that the path names as it is shown. With ``anew``, what readers gave up on a moment ago is
    tried again. Raises Refused, Corrupt and Temporary."""
    return await opened_of(visit, await message(visit), anew=anew)


async def opened_of(visit: Visit, of: Message, *, anew: bool = False) -> Opened:
    """Returns a message of the user as it is shown, as `opened` does. Raises Corrupt and Temporary."""
    reading = visit.services.reading
    domain = parse(visit.user.address).domain
    shown = await reading.shown(of, domain, anew=anew)
    if not shown.remote:
        return Opened(of, shown, remote=False, asked="", events=events(visit, shown))
    once = await _is_asked(visit, reading, of)
    if not once and not await reading.trusts(of, shown):
        return Opened(of, shown, remote=False, asked="", events=events(visit, shown))
    shown = await reading.shown(of, domain, remote=True)
    asked = f"?pictures={await reading.token(of)}" if once else ""
    return Opened(of, shown, remote=True, asked=asked, events=events(visit, shown))


async def _is_asked(visit: Visit, reading: Reading, of: Message) -> bool:
    given = visit.asked.query.get("pictures")
    return bool(given) and hmac.compare_digest(given.encode(), (await reading.token(of)).encode())


async def show_document(visit: Visit) -> Answer:
    """Answers the document of the frame."""
    return await _document(visit, await opened(visit), "")


async def show_printed(visit: Visit) -> Answer:
    """Answers the same with the header above it, to be printed."""
    each = await opened(visit)
    return await _document(visit, each, _head(visit, each))


async def _document(visit: Visit, each: Opened, head: str) -> Answer:
    origin = _origin(visit)
    images = f"{origin}{await visit.services.reading.pictures(each.message)}/" if origin else ""
    body = document(each.shown, head=head).encode("utf-8", "replace")
    return Answer(body, content_type=HTML, fields={b"content-security-policy": policy(images, remote=each.remote)})


def _origin(visit: Visit) -> str:
    """Where the browser finds us: of `self`, a policy cannot name a part."""
    return f"https://{visit.asked.host}" if _HOST.fullmatch(visit.asked.host) else ""


def _head(visit: Visit, each: Opened) -> str:
    """As on paper; all of it is text."""
    shown = each.shown
    sent = dates.full(visit.language, shown.sent * SECOND) if each.sent else ""
    rows = (
        (visit.said("From"), _people(shown.sender)),
        (visit.said("To"), _people(shown.to)),
        (visit.said("Cc"), _people(shown.cc)),
        (visit.said("Date"), sent),
        (visit.said("Subject"), shown.subject),
        (visit.said("Attachments"), ", ".join(one.name for one in shown.attachments if not one.inline)),
    )
    cells = "".join(
        f"<tr><th align=left>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in rows if text
    )
    return f"<table>{cells}</table><hr>"


def _people(people: tuple[Person, ...]) -> str:
    return ", ".join(f"{each.name} <{each.address}>" if each.name else each.address for each in people)


async def show_header(visit: Visit) -> Answer:
    """Shows the header field by field."""
    of = await message(visit)
    found = await visit.services.reading.header(of)
    return await visit.render("header.html", here=of.folder, message=of, fields=found)


async def show_source(visit: Visit) -> Stream:
    """Streams the message as it came: as text, or as a file where that is asked for."""
    of = await message(visit)
    source = visit.services.reading.source(of)
    if visit.asked.query.get("save"):
        fields = {b"content-disposition": names.disposition(f"message-{_number(of)}.eml")}
        return Stream(source, "application/octet-stream", fields)
    return Stream(source, TEXT, {b"content-disposition": b"inline"})


def _number(of: Message) -> str:
    """As a name of a file has it."""
    return "-".join(filter(None, (of.archived or str(of.uid), of.within)))


async def want_pictures(visit: Visit) -> Answer:
    """Takes the wish to see pictures from elsewhere: in this message, or in all mail of its sender."""
    reading, of = visit.services.reading, await message(visit)
    if visit.asked.form.get("always") and not of.within:
        shown = await reading.taken_apart(of, parse(visit.user.address).domain)
        if len(shown.sender) == 1:
            store = visit.services.control.store
            address, now = shown.sender[0].address, store.clock.now()
            await store.run(partial(trusted_senders.add, account=of.account, address=address, now=now))
            return await visit.done(visit.said("Pictures in mail of this sender are shown from now on."), of.path)
    return Answer(b"", http.SEE_OTHER, fields={b"location": f"{of.path}?pictures={await reading.token(of)}".encode()})
