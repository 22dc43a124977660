"""Which messages of a long change each of its short transactions takes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from mpcontinuity.mailbox.append import UID_BITS
from mpcontinuity.model import uidset
from mpcontinuity.model.uidset import Range
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

# What one transaction changes within 20 ms: rows, and octets of what is rendered beside them, which is written anew
# with its row (1,000 rows of 4 KiB took 37 ms, of 20 KiB 290 ms).
ROWS = 500
OCTETS = 1 << 20

# So few are changed at once, without a look at them before: a rendered message has some hundred KiB at the most.
FEW = 4

_SPAN = Statement(
    "SELECT id & 4294967295, size, length(rendered) FROM entry WHERE id BETWEEN :first AND :last ORDER BY id"
)
_LISTED = Statement("SELECT id & 4294967295, size, length(rendered) FROM entry WHERE id IN [:ids] ORDER BY id")


@dataclass(frozen=True, slots=True)
class Portion:
    """The messages of one transaction, and the octets of those that exist."""

    uids: tuple[Range, ...]
    octets: int


async def portions(store: Store, mailbox: int, uids: Sequence[int], *, few: int = FEW) -> AsyncIterator[Portion]:
    """Yields portions of ``uids``, which rise; those that do not exist are included.

    Up to ``few`` messages, octets are not looked up and are 0.
    """
    if len(uids) <= few:
        if uids:
            yield Portion(uidset.of(uids), 0)
        return
    for begin in range(0, len(uids), ROWS):
        step = uids[begin : begin + ROWS]
        weights: dict[int, tuple[int, int]] = await store.read(partial(_weights, mailbox=mailbox, uids=step))
        portion: list[int] = []
        octets = rendered = 0
        for uid in step:
            size, weight = weights.get(uid, (0, 0))
            if portion and rendered + weight > OCTETS:
                yield Portion(uidset.of(portion), octets)
                portion, octets, rendered = [], 0, 0
            portion.append(uid)
            octets += size
            rendered += weight
        yield Portion(uidset.of(portion), octets)


def _weights(tx: Transaction, mailbox: int, uids: Sequence[int]) -> dict[int, tuple[int, int]]:
    base = mailbox << UID_BITS
    found: list[Any]
    if uids[-1] - uids[0] < 2 * len(uids):
        found = tx.all(_SPAN, first=base | uids[0], last=base | uids[-1])
    else:
        found = tx.all(_LISTED, ids=[base | uid for uid in uids])
    return {uid: (size, weight) for uid, size, weight in found}
