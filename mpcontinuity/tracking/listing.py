"""Live tracking: the rows of `track` as the contract shows them, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import msgspec

from mpcontinuity.model import identifier
from mpcontinuity.model.address import BadAddress, parse
from mpcontinuity.model.clock import DAY, LATEST, iso
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

SCAN = 5_000  # rows that one transaction looks at
_WRITTEN = DAY  # after it was received a row has its id at the latest: a session lasts minutes, a queue of commits less
MOST = 1_000  # rows of one page


class Event(msgspec.Struct, frozen=True):
    """One attempt or decision in a row of ``track``. ``time`` is in ISO 8601."""

    time: str
    host: str
    code: int
    text: str


class TrackRow(msgspec.Struct, frozen=True):
    """One message and recipient. ``code`` and ``text`` are what decided ``status``."""

    id: str
    received: str
    direction: str
    sender: str
    recipient: str
    message_id: str
    subject: str
    size: int
    status: str
    continuity: bool
    outcome: str | None
    code: int
    text: str
    events: list[Event]


@dataclass(frozen=True, slots=True)
class Filters:
    """What is None or empty does not filter. Addresses are compared without case, Message-IDs without brackets.

    A message was received at ``since`` or later, and before ``until``; both are in µs.
    """

    domain: int | None = None
    recipient: str = ""
    sender: str = ""
    message_id: str = ""
    status: str = ""
    direction: str = ""
    since: int = 0
    until: int = LATEST


_CONDITIONS = """(:domain < 0 OR domain = :domain)
    AND (:sender = '' OR lower(sender) = :sender)
    AND (:bare = '' OR message_id IN (:bare, :bracketed))
    AND (:status = '' OR status = :status)
    AND (:direction = '' OR direction = :direction)
    AND received >= :since AND received < :until"""
_COLUMNS = (
    "id, received, direction, sender, recipient, message_id, subject, size, status, continuity, outcome, code, text,"
    " events"
)
_PAGE_ENDS = Statement(
    "SELECT min(id) FROM (SELECT id FROM tracking WHERE id < :before AND id >= :oldest ORDER BY id DESC LIMIT :scan)"
    " AS page"
)
_PAGE = Statement(
    f"SELECT {_COLUMNS} FROM tracking WHERE id < :before AND id >= :end AND {_CONDITIONS} ORDER BY id DESC LIMIT :limit"
)
_OF_RECIPIENT = Statement(
    f"SELECT {_COLUMNS} FROM tracking WHERE recipient_key = :recipient AND {_CONDITIONS}"
    " AND received <= :received AND (received < :received OR id < :before)"
    " ORDER BY received DESC, id DESC LIMIT :limit"
)
_LAST_ALERT = Statement(
    """SELECT status, text FROM tracking WHERE recipient_key = :recipient AND direction = 'alert'
    ORDER BY received DESC LIMIT 1"""
)
_NOTED = Statement("SELECT id FROM tracking WHERE id >= :since ORDER BY id LIMIT :limit")
_CHANGED = Statement("SELECT time, id FROM tracking_change WHERE time >= :since ORDER BY time, id LIMIT :limit")
_BY_IDS = Statement(f"SELECT COALESCE(domain, 0), {_COLUMNS} FROM tracking WHERE id IN [:ids] ORDER BY id")
_RECEIVED = Statement("SELECT received FROM tracking WHERE id = :id")
_FIRST = 1 << 62  # above every id and every time

_decode_events = msgspec.json.Decoder(list[tuple[int, str, int, str]]).decode


async def newest(store: Store, filters: Filters, limit: int = 100, *, after: int = 0) -> list[TrackRow]:
    """Returns up to ``limit`` rows (at most MOST), newest first, in steps that keep no snapshot for long.

    They are those after the row with the id ``after``, which may be gone meanwhile; 0 is the beginning.
    """
    limit = min(limit, MOST)
    found: list[TrackRow] = []
    before: int | None = after or _FIRST
    while before is not None and len(found) < limit:
        page, before = await store.read(partial(rows, filters=filters, before=before, limit=limit - len(found)))
        found += page
    return found


def rows(
    tx: Transaction, filters: Filters, before: int = _FIRST, limit: int = MOST
) -> tuple[list[TrackRow], int | None]:
    """Rows below the id ``before``, newest first, and the ``before`` of what was not looked at yet; None: nothing."""
    bare = filters.message_id.strip("<>")
    conditions = {
        "domain": -1 if filters.domain is None else filters.domain,
        "sender": filters.sender.lower(),
        "bare": bare,
        "bracketed": f"<{bare}>",
        "status": filters.status,
        "direction": filters.direction,
        "since": filters.since,
        "until": filters.until,
    }
    if filters.recipient:
        recipient, received = _key(filters.recipient), _received(tx, before)
        found = tx.all(_OF_RECIPIENT, recipient=recipient, received=received, before=before, limit=limit, **conditions)
        return [_shown(*row) for row in found], None
    before = min(before, identifier.first_at(filters.until + _WRITTEN))
    end = tx.value(_PAGE_ENDS, before=before, oldest=identifier.first_at(filters.since), scan=SCAN)
    if end is None:
        return [], None
    found = tx.all(_PAGE, before=before, end=end, limit=limit, **conditions)
    return [_shown(*row) for row in found], found[-1][0] if len(found) == limit else end


def _received(tx: Transaction, before: int) -> int:
    """When the row with that id was received; of one that is gone, when its id was made."""
    if before == _FIRST:
        return _FIRST
    return int(tx.value(_RECEIVED, id=before) or identifier.moment_of(before))


def _key(recipient: str) -> str:
    try:
        return parse(recipient).key
    except BadAddress:
        return recipient.lower()


def _shown(
    id_: int,
    received: int,
    direction: str,
    sender: str,
    recipient: str,
    message_id: str,
    subject: str,
    size: int,
    status: str,
    continuity: int,
    outcome: str,
    code: int,
    text: str,
    events: str,
) -> TrackRow:
    return TrackRow(
        id=identifier.show(id_),
        received=iso(received),
        direction=direction,
        sender=sender,
        recipient=recipient,
        message_id=message_id,
        subject=subject,
        size=size,
        status=status,
        continuity=bool(continuity),
        outcome=outcome or None,
        code=code,
        text=text,
        events=[Event(iso(time), host, code, text) for time, host, code, text in _decode_events(events)],
    )


def last_alert(tx: Transaction, recipient_key: str) -> tuple[str, str] | None:
    """Returns status and text of the last alert to an address, given as it is compared; None where there was none."""
    return tx.one(_LAST_ALERT, recipient=recipient_key)


def noted(tx: Transaction, *, since: int, limit: int) -> list[int]:
    """Returns the ids of up to ``limit`` rows of all domains that were noted at ``since`` (µs) or later, oldest
    first."""
    return [id_ for (id_,) in tx.all(_NOTED, since=identifier.first_at(since), limit=limit)]


def changed(tx: Transaction, *, since: int, limit: int) -> list[tuple[int, int]]:
    """Returns up to ``limit`` changes of outcomes at ``since`` (µs) or later, oldest first: the time of each in µs, and
    the id of its row."""
    return tx.all(_CHANGED, since=since, limit=limit)


def by_ids(tx: Transaction, ids: Sequence[int]) -> list[tuple[int, int, TrackRow]]:
    """Returns rows by their ids, in the order of these: each with its id and that of its domain, 0 for none."""
    return [(columns[0], domain, _shown(*columns)) for domain, *columns in tx.all(_BY_IDS, ids=list(ids))]
