"""Which recipients of a message have a vacation text that may answer it."""

from __future__ import annotations

from collections.abc import Iterable

from mpcontinuity.accounts.vacation import ALWAYS, IN_CONTINUITY
from mpcontinuity.delivery.envelope import Message, Taken
from mpcontinuity.model.address import BadAddress, parse
from mpcontinuity.model.body import Body
from mpcontinuity.queue.vacation import NewDue
from mpcontinuity.tracking.record import INBOUND


def away(taken: Iterable[Taken], *, kept: bool) -> list[Taken]:
    """Returns those recipients who have a text for mail that is ``kept`` here, or that home has taken."""
    least = IN_CONTINUITY if kept else ALWAYS
    return [one for one in taken if one.user is not None and one.user.vacation >= least]


def to_answer(body: Body, message: Message, taken: Iterable[Taken], *, kept: bool) -> list[NewDue]:
    """Returns what is to be noted of a message that has just come: nothing of one without a sender, nor of one from the
    archive."""
    absent = away(taken, kept=kept)
    if not absent or not message.reverse_path or message.direction != INBOUND:
        return []
    try:
        sender = parse(message.reverse_path).untagged_key
    except BadAddress:
        return []
    return [
        NewDue(
            account=one.user.id,
            sender=sender,
            body=body.id,
            recipient=one.address.text,
            reverse_path=message.reverse_path,
            received=message.received,
            submitted=message.parameters.submitted,
            least=IN_CONTINUITY if kept else ALWAYS,
        )
        for one in absent
        if one.user is not None
    ]
