"""What a script of the page attaches: files in pieces, which go on where they were cut off.

``POST /write/DRAFT/attachments`` begins one, with name, type and size; ``PUT …/ATTACHMENT?start=N`` sends octets, and
``GET …`` says how many of each are there.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, Final

import msgspec
from twisted.web import http

from mpcontinuity.access.webmail.letter_form import id_of
from mpcontinuity.access.webmail.letter_page import JSON, shown
from mpcontinuity.access.webmail.signed_in import Visit, Webmail
from mpcontinuity.mailbox import enclosures
from mpcontinuity.mailbox.drafts import Draft
from mpcontinuity.mailbox.enclosures import Attached, Role
from mpcontinuity.message.display.show import PICTURES
from mpcontinuity.model.errors import Refused
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.headers import DATA
from mpcontinuity.web.routes import Route

_PATH: Final = "/write/<draft>/attachments"


def routes(webmail: Webmail) -> list[Route]:
    """Returns the routes by which files come."""
    longest = webmail.services.desk.limits.message_size
    return [
        webmail.get(_PATH, listing, DATA),
        replace(webmail.post(_PATH, begin), guards=DATA),  # what is refused is for a script
        webmail.put(f"{_PATH}/<attachment>", take, longest, DATA),
    ]


async def listing(visit: Visit) -> Answer:
    """Says what is attached to a draft, and how much of it is there."""
    _, attached = await _draft(visit)
    return _json([shown(one) for one in attached])


async def begin(visit: Visit) -> Answer:
    """Begins an attachment, if there is room for it."""
    draft, _ = await _draft(visit)
    form = visit.asked.form
    size = form.get("size")
    if not size.isascii() or not size.isdecimal() or len(size) > 15:
        raise Refused(visit.said("The size of the file is missing"))
    desk = visit.services.desk
    file = (form.get("name"), form.get("kind"), int(size))
    role: Role = "picture" if form.get("role") == "picture" and file[1] in PICTURES else ""
    attached = await desk.attach(visit.user, draft.id, *file, role=role)
    return _json(shown(attached))


async def take(visit: Visit) -> Answer:
    """Takes octets of an attachment from ``start`` on. Those that are there already are the answer where they are not
    the next ones."""
    draft, _ = await _draft(visit)
    desk, asked = visit.services.desk, visit.asked
    attached = await _attached(visit, draft)
    start = asked.query.get("start")
    if not start.isascii() or not start.isdecimal() or int(start[:15] or 0) != attached.received:
        return _json(shown(attached), http.CONFLICT)
    assert asked.pieces is not None
    await desk.take(visit.user, attached, attached.received, asked.pieces)
    return _json(shown(await _attached(visit, draft)))


async def _attached(visit: Visit, draft: Draft) -> Attached:
    work = partial(enclosures.find, draft=draft.id, id_=id_of(visit.asked.parts["attachment"]))
    found = await visit.services.control.store.read(work)
    if found is None:
        raise Refused(visit.said("There is no such attachment"), "unknown")
    return found


async def _draft(visit: Visit) -> tuple[Draft, list[Attached]]:
    found = await visit.services.desk.find(visit.user, id_of(visit.asked.parts["draft"]))
    if found is None:
        raise Refused(visit.said("There is no such draft"), "unknown")
    return found


def _json(value: Any, code: int = http.OK) -> Answer:
    return Answer(msgspec.json.encode(value), code, JSON)
