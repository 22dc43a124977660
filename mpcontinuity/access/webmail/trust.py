"""``/settings/pictures``: of whose mail a user sees pictures that their browser loads from elsewhere."""

from __future__ import annotations

from functools import partial
from typing import Final
from urllib.parse import urlencode

from twisted.web import http

from mpcontinuity.access.webmail.settings import SETTINGS
from mpcontinuity.access.webmail.signed_in import Visit, Webmail
from mpcontinuity.mailbox import trusted_senders
from mpcontinuity.mailbox.trusted_senders import MOST
from mpcontinuity.model.address import BadAddress, parse
from mpcontinuity.model.errors import Refused
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.languages import marked
from mpcontinuity.web.routes import Route

PATH: Final = f"{SETTINGS}pictures"

_ROWS: Final = 100  # of a page
_LONGEST: Final = 320  # characters
_NO_SENDER: Final = marked("This is no mail address, and no domain such as example.org.")


def routes(webmail: Webmail) -> list[Route]:
    """Returns the routes of this page."""
    return [webmail.get(PATH, show), webmail.post(f"{PATH}/add", add), webmail.post(f"{PATH}/remove", remove)]


async def show(visit: Visit) -> Answer:
    """Lists senders, a page of them, with a form for another."""
    return await _page(visit)


async def add(visit: Visit) -> Answer:
    """Takes a mail address, or a domain."""
    typed = visit.asked.form.get("sender").strip()
    sender = _sender(typed)
    if not sender:
        return await _page(visit, visit.said(_NO_SENDER))
    try:
        work = partial(trusted_senders.add_another, account=visit.user.id, address=sender)
        await visit.services.control.store.run(work)
    except Refused:
        full = visit.said("You trust %(most)d senders already. Remove some of them first.", most=MOST)
        return await _page(visit, full)
    return await visit.done(visit.said("Pictures in mail of %(sender)s are shown from now on.", sender=typed), PATH)


async def remove(visit: Visit) -> Answer:
    """Trusts one sender no more."""
    sender = visit.asked.form.get("sender")
    work = partial(trusted_senders.remove, account=visit.user.id, address=sender)
    await visit.services.control.store.run(work)
    return await visit.done(
        visit.said("Pictures in mail of %(sender)s are shown no more.", sender=sender[:_LONGEST]), PATH
    )


def _sender(typed: str) -> str:
    """An address, or a domain behind an at sign; empty for what is neither."""
    domain = typed.removeprefix("@")
    try:
        if "@" in domain:
            return parse(domain if typed == domain else "").text
        return f"@{parse(f'somebody@{domain}').domain}"
    except BadAddress:
        return ""


async def _page(visit: Visit, error: str = "") -> Answer:
    after = visit.asked.query.get("after")[:_LONGEST]
    work = partial(trusted_senders.listing, account=visit.user.id, after=after, limit=_ROWS + 1)
    found = await visit.services.control.store.read(work)
    return await visit.render(
        "trust.html",
        http.BAD_REQUEST if error else http.OK,
        error=error,
        senders=found[:_ROWS],
        next_page=f"{PATH}?{urlencode({'after': found[_ROWS - 1]})}" if len(found) > _ROWS else "",
        typed=visit.asked.form.get("sender") if error else "",
    )
