"""Mail that is owed without a mailbox (`unregistered = hold`) goes into INBOX when its address is registered.

Where an address is told apart from another one it is without its ``+tag``: that is who would get the mail.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from mpcontinuity.accounts import counters
from mpcontinuity.mailbox import mailboxes
from mpcontinuity.mailbox.append import NewEntry, append
from mpcontinuity.model import address
from mpcontinuity.model.body import Body
from mpcontinuity.queue.owed import unregistered_counter
from mpcontinuity.store import meta
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

STEP = 500  # rows of one reading

_OPEN = "owed.domain = :domain AND owed.account IS NULL AND owed.ended = 0 AND owed.id > :after"
_WITHOUT = Statement(
    f"""SELECT owed.id, recipient, received, body.id, pack, body."offset", length, prefix, crc
    FROM owed JOIN body ON body.id = owed.body WHERE {_OPEN} ORDER BY owed.id LIMIT :step"""
)
_HELD = Statement(f"SELECT id, recipient, received FROM owed WHERE {_OPEN} ORDER BY id LIMIT :step")
_ADOPT = Statement(
    "UPDATE owed SET account = :account WHERE id = :id AND account IS NULL AND ended = 0 RETURNING domain"
)


@dataclass(slots=True)
class Held:
    """How many messages wait for an address without a mailbox, and when the first and the last of them came (µs)."""

    messages: int
    oldest: int
    newest: int


class HeldAddresses:
    """Counts, in one pass over the open rows of a domain, what waits for each address without a mailbox.

    It keeps the first ``most`` addresses by their text that come behind ``after``, whatever their number; with ``only``
    it keeps those alone.
    """

    def __init__(self, after: str, most: int, *, only: Collection[str] | None = None) -> None:
        self._only = only
        self._after = after
        self._most = most
        self._last: str | None = None  # what comes behind it is not among the first
        self._found: dict[str, Held] = {}

    def add(self, rows: Collection[tuple[str, int]]) -> None:
        """Counts rows: pairs of a recipient, as it was given, and the time received."""
        for recipient, received in rows:
            key = address.parse(recipient).untagged_key
            if key <= self._after or (self._last is not None and key > self._last):
                continue
            if self._only is not None and key not in self._only:
                continue
            held = self._found.setdefault(key, Held(0, received, received))
            held.messages += 1
            held.oldest, held.newest = min(held.oldest, received), max(held.newest, received)
        if len(self._found) > 2 * self._most:
            self._found = dict(sorted(self._found.items())[: self._most])
            self._last = max(self._found)

    def first(self) -> list[tuple[str, Held]]:
        """Returns the addresses, without tags and in the order of their text, with what waits for them."""
        return sorted(self._found.items(), key=lambda each: each[0])[: self._most]


def held(tx: Transaction, domain: int, after: int = 0) -> tuple[list[tuple[str, int]], int | None]:
    """Returns recipient and time received of open rows without a mailbox: the next STEP above the id ``after``.

    The second value is where to go on, or None at the end.
    """
    rows = tx.all(_HELD, domain=domain, after=after, step=STEP)
    return [(recipient, received) for _, recipient, received in rows], rows[-1][0] if len(rows) == STEP else None


def without_mailbox(
    tx: Transaction, domain: int, keys: Collection[str], after: int = 0
) -> tuple[list[tuple[int, str, int, Body]], int | None]:
    """Returns open rows for these addresses (`Address.key`): the next STEP above the id ``after``.

    Each is given as id, recipient, time received and body. The second value is where to go on, or None at the end.
    """
    rows = tx.all(_WITHOUT, domain=domain, after=after, step=STEP)
    found = []
    for id_, text, received, *body in rows:
        recipient = address.parse(text)
        if recipient.key in keys or recipient.untagged_key in keys:
            found.append((id_, text, received, Body(*body)))
        after = id_
    return found, after if len(rows) == STEP else None


def adopt(tx: Transaction, owed_id: int, account: int, entry: NewEntry) -> bool:
    """Gives a row to an account, with ``entry`` in its INBOX. Returns False if the row has ended or has an account."""
    domain = tx.value(_ADOPT, id=owed_id, account=account)
    if domain is None:
        return False
    append(tx, mailboxes.inbox(tx, account), (entry,))
    counters.take_in(tx, [(account, 1)])
    meta.count_less(tx, unregistered_counter(domain))
    return True
