"""A session's maildrop: numbers from 1 on that stay the same until QUIT, and what was marked (RFC 1939 §5)."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from functools import partial

from twisted.internet.defer import Deferred

from mpcontinuity.access.pop3.services import AHEAD, AHEAD_MESSAGES
from mpcontinuity.mailbox import maildrop
from mpcontinuity.mailbox.mailboxes import MailboxInfo
from mpcontinuity.mailbox.portions import portions
from mpcontinuity.mailbox.read import BODY, MOST, UID, rows
from mpcontinuity.model.body import Body
from mpcontinuity.model.errors import Corrupt
from mpcontinuity.store.store import Store


class NoSuchMessage(Exception):
    """Is raised for the number of a message that was never there, or is marked in this session."""


class Maildrop:
    """The messages that were in INBOX at the login, under numbers from 1 on. It takes twelve octets per message."""

    def __init__(self, store: Store, info: MailboxInfo) -> None:
        self._store = store
        self._mailbox = info.id
        self._uidvalidity = info.uidvalidity
        self._uids = array("I")
        self._sizes = array("Q")
        self._marked: set[int] = set()  # numbers
        self._ahead: dict[int, bytes | Corrupt] = {}  # by number
        self._coming: tuple[Sequence[int], Deferred[dict[int, bytes | Corrupt] | None]] | None = None
        self._expected = 0  # the number that a client that goes on in order asks for next
        self.octets = 0  # of what is not marked

    async def load(self) -> None:
        """Reads which messages there are. Raises Temporary."""
        after = 0
        while step := await self._store.read(partial(maildrop.listing, mailbox=self._mailbox, after=after)):
            self._uids.extend(uid for uid, _ in step)
            self._sizes.extend(size for _, size in step)
            after = step[-1][0]
            if len(step) < maildrop.STEP:
                break
        self.octets = sum(self._sizes)

    @property
    def messages(self) -> int:
        """How many messages are not marked."""
        return len(self._uids) - len(self._marked)

    def numbers(self) -> Iterator[int]:
        """Returns the numbers of the messages that are not marked, rising."""
        return (number for number in range(1, len(self._uids) + 1) if number not in self._marked)

    def size(self, number: int) -> int:
        """Returns the octets of a message as they are sent. Raises NoSuchMessage."""
        return self._sizes[self._place(number)]

    def uidl(self, number: int) -> bytes:
        """Returns the unique id of a message, which never changes (RFC 1939 §7, UIDL). Raises NoSuchMessage."""
        return b"%d.%d" % (self._uidvalidity, self._uids[self._place(number)])

    def mark(self, number: int) -> None:
        """Marks a message to go at the end of the session (DELE). Raises NoSuchMessage."""
        self.octets -= self.size(number)
        self._marked.add(number)

    def unmark(self) -> None:
        """Takes all marks back (RSET)."""
        self.octets = sum(self._sizes)
        self._marked.clear()

    async def update(self, *, delete: bool) -> int:
        """Removes what was marked, for good with ``delete``; else it is only gone from the maildrop.

        Returns how many messages that were. It works in steps: after a failure the client finds what is left.
        """
        work = maildrop.delete if delete else maildrop.keep
        uids = [self._uids[number - 1] for number in sorted(self._marked)]
        async for portion in portions(self._store, self._mailbox, uids):
            await self._store.run(partial(work, mailbox=self._mailbox, uids=portion.uids))
        return len(uids)

    # Messages

    def ready(self, number: int) -> bytes | None:
        """Returns a message where it was read ahead, else None. Raises NoSuchMessage, Corrupt."""
        self._place(number)
        content = self._ahead.pop(number, None)
        if isinstance(content, Corrupt):
            raise content
        return content

    async def read(self, number: int) -> bytes | None:
        """Returns a message, None where it was expunged meanwhile. Raises NoSuchMessage, Corrupt, Temporary.

        For a client that takes one after the other those behind it are read ahead, and while it takes them the next
        ones are read already.
        """
        self._place(number)
        coming, self._coming = self._coming, None
        goes_on = number == self._expected
        ahead = None
        if coming is not None and number in coming[0]:
            goes_on = True
            ahead = await coming[1]
        if ahead is None:
            ahead = await self._read(self._wanted(number))
        self._ahead = ahead
        following = self._expected
        if goes_on and following <= len(self._uids) and following not in self._marked:
            wanted = self._wanted(following)
            reading: Deferred[dict[int, bytes | Corrupt] | None] = Deferred.fromCoroutine(self._read(wanted))
            self._coming = wanted, reading.addErrback(lambda _: None)  # whoever asks for them is told then
        return self.ready(number)

    async def _read(self, wanted: Sequence[int]) -> dict[int, bytes | Corrupt]:
        """Those that were not expunged."""
        uids = [self._uids[number - 1] for number in wanted]
        found = {row[UID]: row[BODY] for row in await self._rows(uids)}
        there = [number for number, uid in zip(wanted, uids, strict=True) if uid in found]
        contents = await self._store.bodies.read_many([_body(found[self._uids[number - 1]]) for number in there])
        return dict(zip(there, contents, strict=True))

    async def body(self, number: int) -> Body | None:
        """Returns where a large message lies in the store, None where it was expunged meanwhile."""
        found = await self._rows([self._uids[self._place(number)]])
        return _body(found[0][6]) if found else None

    def _wanted(self, number: int) -> list[int]:
        self._place(number)
        in_order = number == self._expected or number == 1
        wanted = [number]
        octets = self._sizes[number - 1]
        following = number + 1
        while in_order and following <= len(self._uids) and len(wanted) < min(AHEAD_MESSAGES, MOST):
            octets += self._sizes[following - 1]
            if octets > AHEAD:
                break
            if following not in self._marked:
                wanted.append(following)
            following += 1
        self._expected = following if in_order else number + 1
        return wanted

    def _rows(self, uids: Sequence[int]) -> Deferred[list[tuple[int, int, int, int, int, bytes | None, Body | None]]]:
        return self._store.read(partial(rows, mailbox=self._mailbox, uids=uids, body=True))

    def _place(self, number: int) -> int:
        if number > len(self._uids) or number in self._marked:
            raise NoSuchMessage
        return number - 1


def _body(body: Body | None) -> Body:
    assert body is not None
    return body
