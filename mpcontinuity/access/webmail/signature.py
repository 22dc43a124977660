"""The page where a user writes the text that stands below their letters."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from twisted.web import http

from mpcontinuity.access.webmail.signed_in import Visit, Webmail
from mpcontinuity.mailbox import signature
from mpcontinuity.mailbox.signature import LONGEST, Signature
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.languages import marked
from mpcontinuity.web.routes import Route

SIGNATURE: Final = "/settings/signature"

_TOO_LONG: Final = marked("It is too long: take at most %(most)d characters. These are %(number)d.")


def routes(webmail: Webmail) -> list[Route]:
    """Returns the routes of this page."""
    return [webmail.get(SIGNATURE, show), webmail.post(SIGNATURE, save)]


async def show(visit: Visit) -> Answer:
    """Shows the form."""
    return await _page(visit, await visit.services.control.store.read(partial(signature.find, account=visit.user.id)))


async def save(visit: Visit) -> Answer:
    """Takes the form."""
    form = visit.asked.form
    text = form.get("text").replace("\r\n", "\n").strip("\n").rstrip()
    given = Signature(text, new=form.get("new") == "1", answers=form.get("answers") == "1")
    if len(text) > LONGEST:
        said = visit.said(_TOO_LONG, most=LONGEST, number=len(text))
        return await _page(visit, given, http.BAD_REQUEST, {"text": said})
    await visit.services.control.store.run(partial(signature.save, account=visit.user.id, signature=given))
    return await visit.done(visit.said("Your signature is saved."), SIGNATURE)


async def _page(visit: Visit, shown: Signature, code: int = http.OK, errors: Mapping[str, str] | None = None) -> Answer:
    return await visit.render("signature.html", code, signature=shown, errors=errors or {}, longest=LONGEST)
