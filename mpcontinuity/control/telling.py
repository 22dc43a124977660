"""Operations by which administrators tell all users of a domain something, past its home server."""

from __future__ import annotations

from functools import partial
from typing import Final

import msgspec

from mpcontinuity.accounts import domains
from mpcontinuity.alerts import telling, tellings
from mpcontinuity.alerts.tellings import Telling
from mpcontinuity.control.arguments import PAGE, row_id, rows_of_page
from mpcontinuity.control.operation import Control
from mpcontinuity.message.announcement import LONGEST_SUBJECT, LONGEST_TEXT
from mpcontinuity.model import identifier
from mpcontinuity.model.clock import iso
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.identifier import LAST
from mpcontinuity.store.transaction import Transaction

MOST_A_DAY: Final = 20  # of one domain: each is a message to everybody


class TellingRow(msgspec.Struct, frozen=True):
    """What all users of a domain are told. Times are ISO 8601; ``ended`` is None until all are told.

    ``by`` is the administrator who tells it, empty for the server itself. ``users`` and ``mails`` count so far what was
    put into INBOX and what was sent to alternate addresses.
    """

    id: str
    domain: str
    subject: str
    by: str
    begun: str
    ended: str | None
    users: int
    mails: int


async def tell(control: Control, name: str, subject: str, text: str) -> TellingRow:
    """Tells all users of a domain a text: in INBOX, and at the alternate address of those who have one.

    It ends when all are told, and says its progress before. What is interrupted is gone on with by the server. Raises
    Refused for a domain that is not here, for a subject or a text that is empty or too long, and for too many in a day.
    """
    subject, text = " ".join(subject.split()), text.strip("\r\n")
    if not subject or len(subject) > LONGEST_SUBJECT:
        raise Refused(f"subject: must have 1 to {LONGEST_SUBJECT} characters")
    if not text.strip() or len(text) >= LONGEST_TEXT:
        raise Refused(f"text: must have 1 to {LONGEST_TEXT - 1} characters")
    for what, given in (("subject", subject), ("text", text)):
        if "\0" in given:
            raise Refused(f"{what}: has a NUL in it")
    work = partial(_begin, name=name, subject=subject, text=f"{text}\n", by=control.caller.name)
    begun, domain = await control.store.run(work)
    done = await telling.tell_all(control.store, control.settings, begun, partial(_say, control, domain))
    if done is None:
        raise Refused(f"{domain}: was removed meanwhile", "conflict")
    return _row(done, domain)


def _say(control: Control, domain: str, now: Telling) -> None:
    control.progress(msgspec.to_builtins(_row(now, domain)))


def _begin(tx: Transaction, name: str, subject: str, text: str, by: str) -> tuple[int, str]:
    domain = domains.known(tx, name)
    if tellings.made_of_late(tx, domain.id, by_server=False) >= MOST_A_DAY:
        raise Refused(f"{domain.name}: its users were told something {MOST_A_DAY} times in a day", "conflict")
    return tellings.add(tx, domain.id, subject, text, by=by), domain.name


async def list_(control: Control, domain: str | None = None, after: str = "", limit: int = PAGE) -> list[TellingRow]:
    """Lists up to ``limit`` of what the users of one domain, or of all, were told in the last 90 days: newest first,
    and those before the id ``after``.

    Raises Refused for a domain that is not here, for a limit out of bounds, and for an ``after`` that is no id.
    """
    page = partial(_list, domain=domain, before=row_id(after) or LAST, limit=rows_of_page(limit))
    return await control.store.read(page)


def _list(tx: Transaction, domain: str | None, before: int, limit: int) -> list[TellingRow]:
    wanted = domains.known(tx, domain).id if domain is not None else 0
    names = {each.id: each.name for each in domains.listing(tx)}
    return [_row(each, names[each.domain]) for each in tellings.listing(tx, domain=wanted, before=before, limit=limit)]


def _row(telling: Telling, domain: str) -> TellingRow:
    return TellingRow(
        id=identifier.show(telling.id),
        domain=domain,
        subject=telling.subject,
        by=telling.by,
        begun=iso(identifier.moment_of(telling.id)),
        ended=iso(telling.ended) if telling.ended else None,
        users=telling.users,
        mails=telling.mails,
    )
