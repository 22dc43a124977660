"""The operation ``archive export``: messages of the archive with their octets, in the order of time."""

from __future__ import annotations

from functools import partial

import msgspec

from mpcontinuity.archive import archived
from mpcontinuity.archive import query as language
from mpcontinuity.control.archive import narrowed, whose_mail
from mpcontinuity.control.archived import row, tell
from mpcontinuity.control.finding import found
from mpcontinuity.control.operation import Control
from mpcontinuity.model.errors import Corrupt

_ROWS = 100  # read at a time


class Exported(msgspec.Struct, frozen=True):
    """How many messages were said, with how many octets, and how many are damaged and were left out.

    ``gone`` are those that retention dropped meanwhile.
    """

    messages: int
    octets: int
    damaged: int
    gone: int


async def export(
    control: Control,
    query: str = "",
    user: str = "",
    since: str | None = None,
    until: str | None = None,
    domain: str | None = None,
) -> Exported:
    """Says all messages that a query finds, the oldest first. The arguments are as in ``archive search``.

    Its progress is ``{"found": N}`` first, and for each message ``{"data": base64}`` for each piece and then
    ``{"message": row}``, or ``{"damaged": row}`` for one whose pieces are to be thrown away. Raises Refused where a
    search would.
    """
    now = control.store.clock.now()
    wanted = narrowed(language.parse(query, now), since, until, now)
    ids = await found(control, wanted, await whose_mail(control, user, domain))
    control.progress({"found": len(ids)})
    messages = octets = damaged = 0
    for start in range(0, len(ids), _ROWS):
        some = ids[start : start + _ROWS].tolist()
        for message in await control.store.read(partial(archived.find, ids=some)):
            shown = msgspec.to_builtins(row(message))
            try:
                await tell(control, message)
            except Corrupt:
                damaged += 1
                control.progress({"damaged": shown})
            else:
                messages += 1
                octets += message.body.length
                control.progress({"message": shown})
            await control.drained()
    return Exported(messages, octets, damaged, len(ids) - messages - damaged)
