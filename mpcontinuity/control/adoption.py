"""Mail that was owed without a mailbox appears in INBOX once its address is registered (contract, 'One reply').

Whoever adds a user adopts what waited for them. With `unregistered = hold` an outage collects mail for addresses that
nobody has registered: they are listed here, and made users of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, Literal

import msgspec

from mpcontinuity.accounts import domains, users
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.control.arguments import PAGE, mail_address, own_address, rows_of_page
from mpcontinuity.control.operation import Control, Progress, unheard
from mpcontinuity.mailbox.append import NewEntry
from mpcontinuity.message.render import render
from mpcontinuity.model.address import Address, BadAddress, parse
from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import iso
from mpcontinuity.model.errors import Corrupt, Refused
from mpcontinuity.queue import adoption
from mpcontinuity.queue.adoption import HeldAddresses
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

MOST: Final = 1_000  # addresses of one call: each costs a transaction that makes a user with their folders
_AT_ONCE: Final = 50  # messages read into memory together,
_OCTETS: Final = 16 << 20  # as far as they are no larger than this, together

_Found = tuple[int, str, int, Body]  # id of the owed row, recipient, time received, and where the message is


class HeldRow(msgspec.Struct, frozen=True):
    """An address without a mailbox for which mail is held, without its tag; ``oldest`` and ``newest`` are when the
    first and the last of these messages came (ISO 8601)."""

    address: str
    messages: int
    oldest: str
    newest: str


class Adopted(msgspec.Struct, frozen=True):
    """What became of an address: ``messages`` are now in the INBOX of its user. ``text`` says why it was refused."""

    address: str
    result: Literal["adopted", "refused"]
    messages: int
    text: str


class Adopting(msgspec.Struct, frozen=True):
    """How far an adoption is: so many messages of so many that are held were looked at, and put into INBOX."""

    looked_at: int
    adopted: int


async def held(control: Control, domain: str | None = None, after: str = "", limit: int = PAGE) -> list[HeldRow]:
    """Lists up to ``limit`` addresses of one domain, or of all, for which mail is held without a mailbox: those after
    the address ``after``.

    Raises Refused for a domain that is not here, for a limit out of bounds, and for an ``after`` that is no address.
    """
    counted = HeldAddresses(mail_address(after).untagged_key if after else "", rows_of_page(limit))
    for each in await control.store.read(partial(_domains, only=domain)):
        async for rows in _held(control.store, each.id):
            counted.add(rows)
    return [HeldRow(key, each.messages, iso(each.oldest), iso(each.newest)) for key, each in counted.first()]


def _domains(tx: Transaction, only: str | None) -> list[Domain]:
    return [domains.known(tx, only)] if only is not None else domains.listing(tx)


async def _held(store: Store, domain: int) -> AsyncIterator[list[tuple[str, int]]]:
    after: int | None = 0
    while after is not None:
        rows, after = await store.read(partial(adoption.held, domain=domain, after=after))
        yield rows


async def register(control: Control, domain: str, addresses: list[str]) -> list[Adopted]:
    """Makes users, pending ones, of up to `MOST` addresses for which mail is held, and puts that mail into their INBOX.

    Returns what became of each address; one that will not do stops no other. Raises Refused for a domain that is not
    here, and for none or too many addresses. If it is interrupted, the same call goes on.
    """
    if not 1 <= len(addresses) <= MOST:
        raise Refused(f"addresses: give 1 to {MOST}")
    known = await control.store.read(partial(domains.known, name=domain))
    waiting = HeldAddresses("", MOST, only=_keys(addresses))
    async for rows in _held(control.store, known.id):
        waiting.add(rows)
    held = {key for key, _ in waiting.first()}
    refused: dict[str, str] = {}
    taken: dict[str, Address] = {}
    for text in dict.fromkeys(addresses):
        try:
            address = own_address(text)
            if address.untagged_key not in held:
                raise Refused(f"{address}: no mail is held for it", "unknown")
            await control.store.run(partial(_register, domain=known, address=address), bulk=True)
        except Refused as error:
            refused[text] = str(error)
        else:
            taken[text] = address
    keys = {address.untagged_key for address in taken.values()} | {address.key for address in taken.values()}
    counts = await adopt(control.store, known.id, keys, control.progress)
    return [
        Adopted(text, "refused", 0, refused[text])
        if text in refused
        else Adopted(text, "adopted", counts.pop(taken[text].key, 0), "")
        for text in dict.fromkeys(addresses)
    ]


def _keys(addresses: Sequence[str]) -> set[str]:
    """Of those that are addresses, without tags."""
    found = set()
    for text in addresses:
        with suppress(BadAddress):
            found.add(parse(text.strip()).untagged_key)
    return found


def _register(tx: Transaction, domain: Domain, address: Address) -> None:
    """One who is registered already, since an adoption was interrupted, keeps what they have."""
    if address.domain != domain.name:
        raise Refused(f"{address}: is not in {domain.name}", "forbidden")
    user = users.find(tx, address)
    if user is None:
        users.add_user(tx, domain=domain.id, address=parse(address.untagged_key))
    elif not user.registered:
        raise Refused(f"{address}: is inactive; activate that user first", "conflict")


async def adopt(store: Store, domain: int, keys: Collection[str], progress: Progress = unheard) -> Counter[str]:
    """Puts mail that is owed without a mailbox to addresses of a domain into the INBOX of their users.

    ``keys`` are these addresses (Address.key), whose users were registered just now. Mail that cannot be read stays
    owed without a mailbox. Returns how many messages were adopted, by the key of their recipient and by the one
    without its tag. ``progress`` hears `Adopting` after each step.
    """
    adopted: Counter[str] = Counter()
    looked_at = total = 0
    after: int | None = 0
    while keys and after is not None:
        found, after = await store.read(partial(adoption.without_mailbox, domain=domain, keys=keys, after=after))
        for some in _portions(found):
            for recipient in await _adopt(store, some):
                total += 1
                for key in {recipient.key, recipient.untagged_key}:
                    adopted[key] += 1
        looked_at += len(found)
        progress(msgspec.to_builtins(Adopting(looked_at, total)))
    return adopted


def _portions(found: Sequence[_Found]) -> Iterator[list[_Found]]:
    """In portions that are read into memory at once."""
    some: list[_Found] = []
    octets = 0
    for each in found:
        if some and (len(some) == _AT_ONCE or octets + each[3].length > _OCTETS):
            yield some
            some, octets = [], 0
        some.append(each)
        octets += each[3].length
    if some:
        yield some


async def _adopt(store: Store, found: Sequence[_Found]) -> list[Address]:
    """The recipients of those that were adopted."""
    adopted = []
    contents = await store.bodies.read_many([body for *_, body in found])
    for (owed, text, received, body), content in zip(found, contents, strict=True):
        if isinstance(content, Corrupt):
            continue  # it stays owed; redelivery says what is wrong with it
        recipient = parse(text)
        entry = NewEntry(body.id, body.length, received, 0, (), render(content))
        if await store.run(partial(_into_inbox, owed=owed, recipient=recipient, entry=entry), bulk=True):
            adopted.append(recipient)
    return adopted


def _into_inbox(tx: Transaction, owed: int, recipient: Address, entry: NewEntry) -> bool:
    user = users.find(tx, recipient)
    return user is not None and user.registered and adoption.adopt(tx, owed, user.id, entry)
