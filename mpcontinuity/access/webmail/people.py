"""Who is meant by what was typed of an address: users of the same domain, and whom the user wrote to or heard from."""

from __future__ import annotations

from functools import partial
from typing import Final

import msgspec

from mpcontinuity.access.webmail.signed_in import Visit, Webmail
from mpcontinuity.accounts import users
from mpcontinuity.mailbox import mailboxes, pages, sent
from mpcontinuity.mailbox.append import MAX_UID
from mpcontinuity.mailbox.mailboxes import MailboxInfo
from mpcontinuity.mailbox.names import INBOX
from mpcontinuity.message import composing
from mpcontinuity.message.composing import Correspondent
from mpcontinuity.model.address import BadAddress, parse
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.headers import DATA
from mpcontinuity.web.routes import Route

MOST: Final = 8  # that are offered
_LOOKED_AT: Final = 200  # messages of each of two folders, the newest: mail of some weeks
_LONGEST: Final = 100  # characters that are looked for
_JSON: Final = "application/json"


def routes(webmail: Webmail) -> list[Route]:
    """Returns the route that a script of the form asks."""
    return [webmail.get("/write/people", find, DATA)]


async def find(visit: Visit) -> Answer:
    """Says who may be meant, each as a field of addresses has them."""
    typed = visit.asked.query.get("q").strip().casefold()[:_LONGEST]
    found: dict[str, str] = {}
    if len(typed) > 1:
        for one in [*await _past(visit), *await _colleagues(visit, typed)]:
            shown = composing.listed([one])
            if typed in shown.casefold() and len(found) < MOST:
                found.setdefault(one.address.key, shown)
    return Answer(msgspec.json.encode(list(found.values())), content_type=_JSON)


async def _colleagues(visit: Visit, typed: str) -> list[Correspondent]:
    work = partial(users.listing, domain=visit.user.domain, step=MOST, search=typed)
    rows = await visit.services.control.store.read(work)
    return [Correspondent(row.user.name, parse(row.user.address)) for row in rows if row.user.id != visit.user.id]


async def _past(visit: Visit) -> list[Correspondent]:
    """The newest first, whom the user wrote to before others."""
    store, found = visit.services.control.store, []
    for folder in await store.read(partial(_folders, account=visit.user.id)):
        uids = await store.read(partial(pages.older, mailbox=folder.id, before=MAX_UID + 1, limit=_LOOKED_AT))
        for row in await pages.listed(store, folder.id, uids):
            people = row.overview.to if folder.use == sent.USE else [row.overview.sender]
            found += [(one.name, one.address) for one in people]
    return [one for name, address in dict.fromkeys(found) if (one := _correspondent(name, address)) is not None]


def _folders(tx: Transaction, account: int) -> list[MailboxInfo]:
    found = (mailboxes.by_use(tx, account, sent.USE), mailboxes.find(tx, account, INBOX))
    return [each for each in found if each is not None]


def _correspondent(name: str, address: str) -> Correspondent | None:
    try:
        return Correspondent(composing.shown(name, composing.LONGEST_NAME), parse(address))
    except BadAddress:
        return None
