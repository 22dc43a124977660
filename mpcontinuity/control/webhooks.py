"""Operations on webhooks: who is told of changes of a domain's state by HTTPS."""

from __future__ import annotations

from functools import partial

import msgspec

from mpcontinuity.accounts import domains
from mpcontinuity.control.administrators import secret
from mpcontinuity.control.arguments import PAGE, row_id, rows_of_page
from mpcontinuity.control.domain_settings import readable_authorities
from mpcontinuity.control.operation import Control
from mpcontinuity.model import identifier
from mpcontinuity.model.clock import iso
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.identifier import show
from mpcontinuity.outbound import https
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.webhooks import changes, hooks

_OCTETS = 30  # of randomness in a secret, as in a token
_LONGEST = 1000  # characters of a URL: those of chats have some 200


class WebhookMade(msgspec.Struct, frozen=True):
    """A new webhook with its secret, which nobody can be shown again."""

    id: str
    domain: str
    url: str
    secret: str


class WebhookRow(msgspec.Struct, frozen=True):
    """A webhook as administrators see it afterwards. Times are ISO 8601; None means never.

    ``url`` is without path and query. ``last_said`` is the status that was answered to the last event, or why there was
    none. ``waiting`` are events still to be told, ``missed`` those that were dropped since one was told last.
    """

    id: str
    domain: str
    url: str
    created: str
    last_tried: str | None
    last_said: str
    waiting: int
    missed: int


class WebhookRemoved(msgspec.Struct, frozen=True):
    """The webhook that was removed."""

    id: str
    url: str
    removed: bool = True


class WebhookTested(msgspec.Struct, frozen=True):
    """The webhook that is told of a test, after all that it has not been told yet."""

    id: str
    url: str


async def add(control: Control, domain: str, url: str, authorities: str = "") -> WebhookMade:
    """Has ``url`` be told of every change of the domain's state from now on, and returns the secret that signs.

    ``authorities`` is a PEM file of those that are believed instead of the system's. Raises Refused for a domain that
    is not here, for what is no HTTPS URL, for a file that cannot be read, and where the domain has that URL already, or
    as many as it may have.
    """
    if len(url) > _LONGEST:
        raise Refused(f"url: has at most {_LONGEST} characters")
    try:
        https.place_of(url)
    except ValueError as error:
        raise Refused(f"url: {error}") from None
    fresh = secret(control, _OCTETS)
    try:
        believed = readable_authorities(authorities)
    except ValueError as error:
        raise Refused(f"authorities: {error}") from None
    work = partial(_add, name=domain, url=url, fresh=fresh, authorities=believed)
    return await control.store.run(work)


def _add(tx: Transaction, name: str, url: str, fresh: str, authorities: str) -> WebhookMade:
    domain = domains.known(tx, name)
    id_ = hooks.add(tx, domain.id, url, fresh, authorities)
    changes.begin(tx, domain)
    return WebhookMade(show(id_), domain.name, hooks.host(url), fresh)


async def list_(control: Control, domain: str | None = None, after: str = "", limit: int = PAGE) -> list[WebhookRow]:
    """Returns up to ``limit`` webhooks of a domain, or of all, those behind the id ``after``.

    Raises Refused for a domain that is not here, for a limit out of bounds, and for an ``after`` that is no id.
    """
    page = partial(_listing, name=domain, after=row_id(after), limit=rows_of_page(limit))
    return await control.store.read(page)


def _listing(tx: Transaction, name: str | None, after: int, limit: int) -> list[WebhookRow]:
    domain = domains.known(tx, name).id if name is not None else 0
    return [
        WebhookRow(
            id=show(hook.id),
            domain=hook.domain,
            url=hooks.host(hook.url),
            created=iso(hook.created),
            last_tried=iso(hook.tried) if hook.tried else None,
            last_said=hook.said,
            waiting=hook.waiting,
            missed=hook.missed,
        )
        for hook in hooks.listing(tx, domain=domain, after=after, limit=limit)
    ]


async def remove(control: Control, id: str) -> WebhookRemoved:
    """Removes a webhook, with all that it was still to be told. Raises Refused where there is none with that id."""
    url = await control.store.run(partial(hooks.remove, hook=_hook(id)))
    return WebhookRemoved(id, hooks.host(url))


async def test(control: Control, id: str) -> WebhookTested:
    """Has a webhook be told of a test; `webhook list` shows what was answered. Raises Refused where there is none with
    that id."""
    return await control.store.run(partial(_test, hook=_hook(id)))


def _hook(text: str) -> int:
    try:
        return identifier.parse(text)
    except ValueError as error:
        raise Refused(f"id: {error}") from None


def _test(tx: Transaction, hook: int) -> WebhookTested:
    name = hooks.domain_of(tx, hook)
    hooks.tell_one(tx, hook, "test", name, time=tx.now, state="", reason="an administrator tries the webhook")
    (found,) = hooks.listing(tx, domain=0, after=hook - 1, limit=1)
    return WebhookTested(show(hook), hooks.host(found.url))
