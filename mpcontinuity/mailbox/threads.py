"""Answers THREAD (RFC 5256) from the messages of a view, in steps: what threads are made of, then the threads."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from typing import Final

from mpcontinuity.mailbox.read import INTERNALDATE, RENDERED, UID, Row, rows
from mpcontinuity.mailbox.search import Spend
from mpcontinuity.message import dates, fields, subjects
from mpcontinuity.message.rendered import header, outdated, references
from mpcontinuity.message.threads import Forest, Threaded
from mpcontinuity.model.clock import SECOND
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

# Messages that are put into threads: 65 MiB at the most while it is computed, and half a second to a second of the
# reactor's thread, in steps of 1 to 10 ms.
MOST: Final = 100_000
IN_HAND: Final = 3 * MOST  # messages of all commands together: 200 MiB at the most
_SUBJECT: Final = 32  # characters of a subject that are kept as they are; of a longer one the digest has as many
_STEP: Final = 250  # rows of one read, with what is rendered of them
_READ: Final = 500  # µs or so that one costs this thread


@dataclass(slots=True)
class InHand:
    """The messages of all threads that are computed in a process, or whose answer its client has not taken yet."""

    _of_account: Counter[int] = field(default_factory=Counter)

    def take(self, account: int, count: int) -> bool:
        """Returns whether so many more may be put into threads for an account; then they are in hand until `give`.

        One account has MOST at most, so that nobody keeps all others from it; all together have IN_HAND.
        """
        if self._of_account[account] + count > MOST or self._of_account.total() + count > IN_HAND:
            return False
        self._of_account[account] += count
        return True

    def give(self, account: int, count: int) -> None:
        """Ends what `take` has begun."""
        self._of_account[account] -= count
        if not self._of_account[account]:
            del self._of_account[account]


Way = Callable[[Sequence[Threaded]], Generator[int, None, Forest]]


async def threads(store: Store, mailbox: int, uids: Sequence[int], way: Way, spend: Spend) -> tuple[list[int], Forest]:
    """Returns the UIDs of those messages, of at most MOST, that are still there, and their threads, whose numbers are
    places in it. Raises Temporary."""
    there: list[int] = []
    messages: list[Threaded] = []
    for begin in range(0, len(uids), _STEP):
        found = await store.read(partial(_threaded, mailbox=mailbox, uids=uids[begin : begin + _STEP]))
        there += [uid for uid, _ in found]
        messages += [message for _, message in found]
        await spend(_READ)
    running = way(messages)
    while True:
        try:
            work = next(running)
        except StopIteration as end:
            forest: Forest = end.value
            return there, forest
        await spend(work)


def _threaded(tx: Transaction, mailbox: int, uids: Sequence[int]) -> list[tuple[int, Threaded]]:
    return [(row[UID], _of(row)) for row in rows(tx, mailbox, uids, rendered=True)]


def _of(row: Row) -> Threaded:
    blob = row[RENDERED] or b""
    head = b"" if outdated(blob) else header(blob) or b""
    found = fields.index(head)
    sent = dates.moment(found.get(b"date", b""))
    subject, reply = subjects.base(found.get(b"subject", b""))
    if len(subject) > _SUBJECT:  # it is only compared
        subject = blake2b(subject.encode("utf-8", "surrogatepass"), digest_size=_SUBJECT // 2).hexdigest()
    came = row[INTERNALDATE] // SECOND
    return Threaded(came if sent is None else sent, array("Q", references(blob)), subject, reply)
