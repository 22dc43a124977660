"""Operations on subscribers: who hears of the availability of a domain."""

from __future__ import annotations

from functools import partial

import msgspec

from mpcontinuity.accounts import domains, users
from mpcontinuity.alerts import subscribers
from mpcontinuity.control.arguments import PAGE, domain_name, mail_address, rows_of_page
from mpcontinuity.control.operation import Control
from mpcontinuity.model.address import Address
from mpcontinuity.model.clock import iso
from mpcontinuity.model.errors import Refused
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking.listing import last_alert


class SubscriberRow(msgspec.Struct, frozen=True):
    """Somebody who hears of a domain. ``since`` is ISO 8601.

    ``last_status`` is what became of the last alert to them, as `track` shows it, and ``last_text`` what was answered;
    both are empty where there was none lately. ``note`` says why they might not hear, else it is empty.
    """

    domain: str
    email: str
    since: str
    last_status: str
    last_text: str
    note: str


class SubscriberRemoved(msgspec.Struct, frozen=True):
    """An address that does not hear of the domain any more."""

    domain: str
    email: str
    removed: bool = True


async def add(control: Control, domain: str, email: str) -> SubscriberRow:
    """Subscribes an address, of any domain, to alerts about ``domain``, and shows it.

    Raises Refused for a domain that is not here, for an address that mail cannot reach or that is subscribed already,
    and where a domain has as many subscribers as it may have.
    """
    return await control.store.run(partial(_add, name=domain, address=_reachable(email)))


def _add(tx: Transaction, name: str, address: Address) -> SubscriberRow:
    domain = domains.known(tx, name)
    subscribers.add(tx, domain.id, address)
    return _row(tx, domain.name, subscribers.Subscriber(domain.id, address.key, address.text, tx.now))


async def remove(control: Control, domain: str, email: str) -> SubscriberRemoved:
    """Ends the subscription of an address. Raises Refused for a domain that is not here, and for an address that is
    not subscribed to it."""
    return await control.store.run(partial(_remove, name=domain, address=mail_address(email)))


def _remove(tx: Transaction, name: str, address: Address) -> SubscriberRemoved:
    domain = domains.known(tx, name)
    subscribers.remove(tx, domain.id, address)
    return SubscriberRemoved(domain.name, address.text)


async def list_(control: Control, domain: str | None = None, after: str = "", limit: int = PAGE) -> list[SubscriberRow]:
    """Returns up to ``limit`` subscribers of a domain, or of all, by the names of domains and by address.

    The rows begin behind domain and address ``after``, with a blank between. Raises Refused for a domain that is not
    here, for a limit out of bounds, and for an ``after`` that is none.
    """
    name, _, email = after.partition(" ")
    place = (domain_name(name), mail_address(email).key) if after else ("", "")
    return await control.store.read(partial(_listing, name=domain, after=place, limit=rows_of_page(limit)))


def _listing(tx: Transaction, name: str | None, after: tuple[str, str], limit: int) -> list[SubscriberRow]:
    domain = domains.known(tx, name).id if name is not None else 0
    found = subscribers.listing(tx, domain, after=after, limit=limit)
    return [_row(tx, domain_name, one) for domain_name, one in found]


def _reachable(text: str) -> Address:
    address = mail_address(text)
    if address.relays or address.impossible:
        raise Refused(f"{text}: no mail can be sent to that address; give another one")
    return address


def _row(tx: Transaction, domain: str, subscriber: subscribers.Subscriber) -> SubscriberRow:
    status, text = last_alert(tx, subscriber.key) or ("", "")
    return SubscriberRow(
        domain=domain,
        email=subscriber.address,
        since=iso(subscriber.created),
        last_status=status,
        last_text=text,
        note=_note(tx, domain, mail_address(subscriber.address)),
    )


def _note(tx: Transaction, domain: str, address: Address) -> str:
    if address.domain != domain:
        return ""
    user = users.find(tx, address)
    if user is None or not user.registered:
        return f"is in {domain} and no user here: hears nothing while its home server is down"
    return "finds alerts in the continuity mailbox while the home server is down; add an address elsewhere as well"
