"""Messages of the archive, by their ids: shown, and released."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from mpcontinuity.accounts import domains, users
from mpcontinuity.archive import archived
from mpcontinuity.archive.archived import Archived
from mpcontinuity.archive.record import OUTBOUND
from mpcontinuity.archive.search import ArchivedRow
from mpcontinuity.control.arguments import mail_address
from mpcontinuity.control.operation import Control
from mpcontinuity.delivery.release import Released, Way
from mpcontinuity.delivery.release import release as hand_in
from mpcontinuity.delivery.service import Delivery
from mpcontinuity.model import identifier
from mpcontinuity.model.address import Address, BadAddress, parse
from mpcontinuity.model.clock import iso
from mpcontinuity.model.errors import Corrupt, Hint, Refused
from mpcontinuity.queue.taken import never_taken
from mpcontinuity.store.transaction import Transaction

PIECE = 48 * 1024  # octets of a message in one line of an answer
LONGEST_HEADER = 64 * 1024  # octets of a header alone, which may have 1 MiB: more is read with the message
MOST_IDS = 500  # of one call: a command line has no more, and a search takes the place of a longer list

_BLANK_LINE = re.compile(rb"\n\r?\n")

REPEATED = "it was released before: Exchange and some others drop a message whose Message-ID they have had lately"
CUT_OFF = "an earlier release was cut off, so that the message may have arrived already"


class ReleasedTo(msgspec.Struct, frozen=True):
    """What became of the release of a message to one recipient.

    ``way`` is "home" where home took it, "inbox" for the continuity mailbox, "owed" where it is kept for home without a
    mailbox, "refused", or "deferred" where nobody takes it now. ``code`` and ``text`` are the reply. ``warning`` says
    why it may arrive twice, or not be seen; it is empty where nothing is to be said.
    """

    id: str
    recipient: str
    way: str
    code: int
    text: str
    warning: str


def row(message: Archived) -> ArchivedRow:
    """Returns a message as it is shown."""
    return ArchivedRow(
        identifier.show(message.id),
        iso(message.time),
        message.direction,
        message.sender,
        list(message.recipients),
        message.subject,
        message.message_id,
        message.size,
    )


async def about(control: Control, given: Mapping[str, Any]) -> tuple[str, str]:
    """Says for the audit trail whose messages ids of the archive name: About of control/operation.py."""
    shown = given.get("ids") or [given.get("id", "")]
    ids = [identifier.parse(one) for one in shown[:MOST_IDS] if _is_id(one)]
    found = await control.store.read(partial(archived.find, ids=ids))
    names = {name for _, name in await control.store.read(partial(_names, of=[one.domain for one in found]))}
    people = sorted({owner for one in found for owner in one.owners})
    return names.pop() if len(names) == 1 else "", "of=" + ",".join(people) if people else ""


def _names(tx: Transaction, of: Sequence[int]) -> set[tuple[int, str]]:
    return {(one.id, one.name) for one in domains.listing(tx) if one.id in of}


async def show(control: Control, id: str, domain: str | None = None, header: bool = False) -> ArchivedRow:
    """Says the octets of a message as its progress, ``{"data": base64}`` for each piece, and returns its row.

    With ``header`` those of its header alone, LONGEST_HEADER at most. With a ``domain`` only of its own. Raises Refused
    for an id that the archive does not have.
    """
    (message,) = await _find(control, [id], domain)
    try:
        await (_tell_header if header else tell)(control, message)
    except Corrupt as error:
        raise Refused(f"{id}: {error}", "conflict") from None
    return row(message)


async def tell(control: Control, message: Archived) -> None:
    """Says the octets of a message, in pieces that whoever listens has room for.

    Raises Corrupt for a damaged one, of which something may have been said already, and Refused where nobody listens
    any more.
    """
    content = control.store.bodies.content(message.body)
    for start in range(0, content.length, PIECE):
        piece = await content.read(start, min(PIECE, content.length - start))
        control.progress({"data": b64encode(piece).decode()})
        await control.drained()


async def _tell_header(control: Control, message: Archived) -> None:
    content = control.store.bodies.content(message.body)
    begun = await content.read(0, min(LONGEST_HEADER, content.length))
    end = _BLANK_LINE.search(begun)
    control.progress({"data": b64encode(begun[: end.start() + 1] if end else begun).decode()})


async def release(
    control: Control, ids: list[str], to: str | None = None, domain: str | None = None
) -> list[ReleasedTo]:
    """Releases messages, each to its recipients, to its sender if it went out, or to the one address ``to``.

    Home gets them by the way that mail comes in; in an outage they go into the continuity mailbox, and are owed only if
    home never took them. With a ``domain`` only its own. Raises Refused, and releases nothing, for an id that is not in
    the archive, for more than MOST_IDS, for an address that nobody has or that is of another domain, and where no
    server runs.
    """
    if len(ids) > MOST_IDS:
        raise Refused(f"ids: are {len(ids)}; at most {MOST_IDS} are released at a time, more by a search")
    wanted = mail_address(to) if to else None
    messages = await _find(control, list(dict.fromkeys(ids)), domain)
    delivery = running(control)
    plans = [(message, await targets(control, message, wanted)) for message in messages]
    done = []
    for message, recipients in plans:
        done += await release_one(control, delivery, message, recipients)
        control.progress({"released": len(done)})
    return done


def running(control: Control) -> Delivery:
    """Returns the way of mail in a running server. Raises Refused where none runs."""
    delivery = control.delivery()
    if delivery is None:
        raise Refused("only a running server can release mail", "conflict", Hint("serve", "starts it"))
    return delivery


async def targets(control: Control, message: Archived, to: Address | None) -> list[Address]:
    """Returns to whom a message is released. Raises Refused where that is nobody."""
    shown = identifier.show(message.id)
    names = dict(await control.store.read(partial(_names, of=[message.domain])))
    name = names.get(message.domain)
    if name is None:
        raise Refused(f"{shown}: its domain is not here any more", "conflict")
    if to is not None:
        if to.domain != name:
            raise Refused(f"{to}: is not in {name}, whose message {shown} is")
        if await control.store.read(partial(users.find, address=to)) is None:
            raise Refused(f"{to}: no such user", "unknown")
        return [to]
    try:
        owners = [parse(owner) for owner in message.owners]
    except BadAddress:
        owners = []
    if not owners:
        raise Refused(
            f"{shown}: has nobody to release it to; name an address of {name} to release it there", "conflict"
        )
    return owners


async def release_one(
    control: Control, delivery: Delivery, message: Archived, recipients: Sequence[Address]
) -> list[ReleasedTo]:
    """Releases one message to its targets, and notes that before and after.

    What is cut off in between is noted as under way, so that nobody takes it for done, nor does it again unasked.
    """
    store, now = control.store, control.store.clock.now()
    warning = REPEATED if message.released > 0 else CUT_OFF if message.released < 0 else ""
    if not await store.run(partial(archived.set_released, archived=message.id, known=message.released, new=-now)):
        raise Refused(f"{identifier.show(message.id)}: is being released by somebody else", "conflict")
    lines, taken = [], False
    for to in recipients:
        result = await _release(control, delivery, message, to)
        taken |= result.done
        lines.append(
            ReleasedTo(
                identifier.show(message.id),
                to.text,
                result.way.value,
                result.reply.code,
                result.reply.line,
                warning if result.way is Way.HOME else "",
            )
        )
    new = now if taken else message.released
    await store.run(partial(archived.set_released, archived=message.id, known=-now, new=new))
    return lines


async def _release(control: Control, delivery: Delivery, message: Archived, to: Address) -> Released:
    named = {_key(owner) for owner in message.owners}
    owes = to.key not in named or await control.store.read(partial(never_taken, body=message.body.id, recipient=to))
    outward = message.direction == OUTBOUND or not message.sender
    mark = f"{identifier.show(message.id)} {message.released}"
    content = control.store.bodies.content(message.body, skip_prefix=True)
    return await hand_in(delivery, content, None if outward else parse(message.sender), to, mark, owes=owes)


async def _find(control: Control, shown: Sequence[str], domain: str | None) -> list[Archived]:
    """Raises Refused unless all are in the archive, and of that domain."""
    for one in shown:
        if not _is_id(one):
            raise Refused(f"{one}: not an id of the archive")
    ids = [identifier.parse(one) for one in shown]
    of = (await control.store.read(partial(domains.known, name=domain))).id if domain is not None else None
    found = await control.store.read(partial(archived.find, ids=ids))
    domain_of = {message.id: message.domain for message in found}
    for id_, one in zip(ids, shown, strict=True):
        if id_ not in domain_of:
            raise Refused(f"{one}: is not in the archive", "unknown")
        if of not in (None, domain_of[id_]):
            raise Refused(f"{one}: is of another domain", "forbidden")
    return found


def _is_id(text: str) -> bool:
    try:
        identifier.parse(text)
    except ValueError:
        return False
    return True


def _key(text: str) -> str:
    try:
        return parse(text).key
    except BadAddress:
        return text
