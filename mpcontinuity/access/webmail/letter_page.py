"""The page of the form in which a user writes, and what a script of it is answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from twisted.web import http

from mpcontinuity.access.webmail.letter_form import KEPT, RICH, LetterForm
from mpcontinuity.access.webmail.signed_in import Visit
from mpcontinuity.mailbox.drafts import Draft
from mpcontinuity.mailbox.enclosures import Attached
from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.model import identifier
from mpcontinuity.model.errors import Refused, Temporary
from mpcontinuity.web.answers import Answer, explained
from mpcontinuity.writing import composition
from mpcontinuity.writing.composition import Fault

WRITE: Final = "/write"
JSON: Final = "application/json"


def form_of(draft: Draft) -> LetterForm:
    """Returns the form of a draft as it was saved."""
    return LetterForm(draft=draft.id, version=draft.version, written=draft.written)


def format_of(form: LetterForm) -> str:
    """Returns what the form says of its format: of a letter with formatting, whether a script has it in hand."""
    return (RICH if form.scripted else KEPT) if form.written.rich else "plain"


async def page(
    visit: Visit,
    form: LetterForm,
    code: int = http.OK,
    *,
    attached: Sequence[Attached] = (),
    faults: Sequence[Fault] = (),
    said: str = "",
    coming: Sequence[str] | None = None,
) -> Answer:
    """Returns the page with the form. ``coming`` are the names of files that it takes of a message, where known."""
    addresses = await visit.services.desk.addresses(visit.user)
    sender = form.written.sender or visit.user.address
    if sender not in addresses:
        addresses = [sender, *addresses] if sender else addresses
    limits = visit.services.desk.limits
    return await visit.render(
        "write.html",
        code,
        form=form,
        draft=identifier.show(form.draft),
        addresses=addresses,
        format=format_of(form),
        quote=any(one.role == composition.QUOTE and one.complete for one in attached),
        sender=sender,
        attached=[
            _Listed(identifier.show(one.id), one.name, one.size, one.complete) for one in attached if one.role == ""
        ],
        choices=[(each, each) for each in addresses],
        errors=_by_field(faults),
        said=said,
        coming=coming,
        room=composition.room(limits.message_size),
        written=form.written,
    )


class _Listed(NamedTuple):
    """An attachment as the page shows it."""

    shown_id: str
    name: str
    size: int
    complete: bool


def _by_field(faults: Sequence[Fault]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for fault in faults:
        found[fault.field] = f"{found[fault.field]} {fault.text}" if fault.field in found else fault.text
    return found


def shown(one: Attached) -> dict[str, Any]:
    """Returns an attachment as a script is told of it."""
    given = {"id": identifier.show(one.id), "name": one.name, "size": one.size, "received": one.received}
    return {**given, "cid": one.content_id} if one.content_id else given


def why(visit: Visit, error: Refused | Temporary) -> str:
    """Returns in words why something cannot be done."""
    if isinstance(error, MailboxRefused) and error.code == "OVERQUOTA":
        return visit.said("Your mailbox is full. Delete some messages first.")
    return explained(error, visit.language)[1]


def json(value: Any, code: int = http.OK) -> Answer:
    """Returns the answer for a script."""
    return Answer(msgspec.json.encode(value), code, JSON)
