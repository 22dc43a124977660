"""Set-up cards, ``/admin/users/cards`` and ``/admin/user/ADDRESS/card``: paper to hand out before an outage comes.

A card has a user's address, a QR code, the values for their mail program, and what to do in an outage. It has no
secret, unless the administrator asks for an invitation on it: then a form makes one for each card (``user invite``, so
the audit trail has each), and the page that answers shows them this once.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec
from twisted.web import http

from mpcontinuity.admin.portal.signed_in import Portal, Visit
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.control.users import UserRow
from mpcontinuity.model import public
from mpcontinuity.model.errors import Refused
from mpcontinuity.protocols.discovery import useragent
from mpcontinuity.web.answers import HTML, Answer, Stream
from mpcontinuity.web.asked import Fields
from mpcontinuity.web.qr import drawn
from mpcontinuity.web.routes import Route

PATH: Final = "/admin/users/cards"
ONE: Final = "/admin/user/<address>/card"
MOST: Final = 400  # cards of a page: 100 sheets of paper, and some 3 MB of HTML that no part of is held here
AT_ONCE: Final = 2  # cards that are drawn in one turn of the reactor: each takes some 2 ms
_FILTERS: Final = ("domain", "search")
_HERE: Final = "<!-- cards -->"  # where they are in the page


@dataclass(frozen=True, slots=True)
class Card:
    """What stands on the card of a user: ``link`` and the same as a QR code, which is empty where it would be too fine.

    ``until`` is when the link stops to be good, where it is an invitation. ``said`` is why there is none, though the
    administrator asked for one.
    """

    user: UserRow
    link: str
    qr: str
    until: str = ""
    said: str = ""


def routes(portal: Portal) -> list[Route]:
    """Returns the routes of these pages."""
    return [
        portal.get(PATH, show),
        portal.post(PATH, invite),
        portal.get(ONE, show_one),
        portal.post(ONE, invite_one),
    ]


async def show(visit: Visit) -> Stream:
    """Shows a card for each user that the fields of the query find, without any secret."""
    return await _several(visit, visit.asked.query, invites=False)


async def invite(visit: Visit) -> Stream:
    """Shows them with an invitation for each user who has no password yet."""
    return await _several(visit, visit.asked.form, invites=True)


async def show_one(visit: Visit) -> Answer:
    """Shows the card of one user, without any secret."""
    return await _single(visit, invites=False)


async def invite_one(visit: Visit) -> Answer:
    """Shows the card of one user with an invitation, by which they choose a password, even if they have one."""
    return await _single(visit, invites=True)


async def _single(visit: Visit, *, invites: bool) -> Answer:
    user = await visit.call("user show", address=visit.asked.parts["address"])
    card = await _card(visit, user, invites=invites)
    return visit.render(
        "card.html",
        http.CONFLICT if card.said else http.OK,
        user=user,
        card=card,
        path=visit.asked.path,
        **_of_all_cards(visit),
    )


async def _several(visit: Visit, given: Fields, *, invites: bool) -> Stream:
    filters: dict[str, Any] = {name: given.get(name).strip() for name in _FILTERS if given.get(name).strip()}
    if given.get("never") == "on":
        filters["never"] = True
    first = await _users(visit, filters, given.get("after"))
    page = visit.render(
        "cards.html",
        filters={**filters, **({"never": "on"} if "never" in filters else {})},
        after=given.get("after"),
        some=bool(first),
        invites=invites,
        most=MOST,
        place=_HERE,
    )
    return Stream(_written(visit, filters, first, page.body, invites=invites), HTML)


async def _written(
    visit: Visit, filters: dict[str, Any], users: Sequence[UserRow], page: bytes, *, invites: bool
) -> AsyncGenerator[bytes, None]:
    """The page with its cards. Between two pieces the users of the next one are read, so that each has a turn of its
    own, and no more than those are in memory."""
    before, _, behind = page.partition(_HERE.encode())
    yield before
    shown, of_all = 0, _of_all_cards(visit)
    last = ""
    while users and shown < MOST:
        cards = [await _card(visit, user, invites=invites) for user in users if user.status != "inactive"]
        yield b"".join(visit.services.templates.render("card_printed.html", card=card, **of_all) for card in cards)
        shown += len(cards)
        last = OPERATIONS["user list"].after(msgspec.to_builtins(users[-1]))
        users = await _users(visit, filters, last)
    if users:
        query = {**filters, "after": last}
        if "never" in query:
            query["never"] = "on"
        following = f"{PATH}?{urlencode(query)}"
        yield visit.render("cards_next.html", query=query, following=following, invites=invites, most=MOST).body
    yield behind


async def _users(visit: Visit, filters: dict[str, Any], after: str) -> Sequence[UserRow]:
    rows: Sequence[UserRow] = await visit.call("user list", limit=AT_ONCE, after=after, **filters)
    return rows


async def _card(visit: Visit, user: UserRow, *, invites: bool) -> Card:
    """The card of a user; with an invitation, where that is wanted and they have no password, or are the only one."""
    until = said = ""
    link = public.url(visit.control.settings, f"{useragent.SETUP}?email={quote(user.address, safe='@')}") or ""
    if invites and (user.status == "pending" or "address" in visit.asked.parts):
        try:
            made = await visit.call("user invite", address=user.address, print=True)
        except Refused as refused:
            if refused.kind == "forbidden":
                raise
            said = refused.text
        else:
            link, until = made.link, made.expires
    return Card(user, link, drawn(link), until, said)


def _of_all_cards(visit: Visit) -> dict[str, Any]:
    """What is the same on each card."""
    return {"places": public.places(visit.control.settings)}
