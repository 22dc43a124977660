"""What `queue list`, `queue retry` and `queue remove` do with the rows owed to home servers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from mpcontinuity.accounts.home_state import pause, pauses
from mpcontinuity.model.clock import iso
from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.model.events import HomeWanted, TrackingEvent
from mpcontinuity.model.identifier import show
from mpcontinuity.model.owed import EXPIRED, FAILED, IN_FLIGHT, NEVER, OPEN, RELEASED
from mpcontinuity.store.bodies.references import hold
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking.record import end_of_owed, reopen_owed

STEP = 500  # rows of one transaction


class QueueRow(msgspec.Struct, frozen=True):
    """A row of `queue list`. Times are in ISO 8601. ``next_attempt`` is empty where it waits for `contain release`, and
    ``expires`` is when the row expires if home is up from now on."""

    id: str
    kind: str
    sender: str
    recipient: str
    subject: str
    message_id: str
    attempts: int
    next_attempt: str
    expires: str
    last_code: int
    last_text: str


_SHOWN = """SELECT owed.id, reverse_path, recipient, subject, message_id, attempts, next_attempt, uptime - uptime_at,
        last_code, last_text
    FROM owed JOIN domain ON domain.id = owed.domain
    WHERE owed.state IN ('owed', 'claimed', 'in_flight', 'in_doubt')"""
_LIST = Statement(
    f"""{_SHOWN} AND owed.id > :after AND (:domain = 0 OR domain = :domain)
        AND (:kept = 0 OR contained > 0 OR next_attempt >= {NEVER})
    ORDER BY owed.id LIMIT :step"""
)
_LIST_SOME = Statement(f"{_SHOWN} AND owed.id IN [:ids] ORDER BY owed.id")


def listing(
    tx: Transaction, *, domain: int = 0, after: int = 0, limit: int = STEP, give_up: int, kept: bool = False
) -> list[tuple[int, QueueRow]]:
    """Returns up to ``limit`` open rows with an id above ``after``, each with its id.

    They are of one ``domain``, or of all where it is 0; with ``kept`` those alone that are kept since their home server
    was cut off. ``give_up`` is in µs. What waits for home to come up is shown
    as due now.
    """
    found = tx.all(_LIST, domain=domain, after=after, step=limit, kept=int(kept))
    return [(row[0], _row(*row, now=tx.now, give_up=give_up)) for row in found]


def of_ids(tx: Transaction, ids: Sequence[int], *, give_up: int) -> list[QueueRow]:
    """Returns the open rows with these ids, in their order. ``give_up`` is in µs."""
    return [_row(*row, now=tx.now, give_up=give_up) for row in tx.all(_LIST_SOME, ids=ids)]


def _row(
    id_: int,
    sender: str,
    recipient: str,
    subject: str,
    message_id: str,
    attempts: int,
    next_attempt: int,
    uptime: int,
    code: int,
    text: str,
    *,
    now: int,
    give_up: int,
) -> QueueRow:
    return QueueRow(
        id=show(id_),
        kind="redelivery",
        sender=sender,
        recipient=recipient,
        subject=subject,
        message_id=message_id,
        attempts=attempts,
        next_attempt=iso(max(next_attempt, now)) if next_attempt < NEVER else "",
        expires=iso(now + max(give_up - uptime, 0)),
        last_code=code,
        last_text=text,
    )


_FIND = Statement(f"SELECT id, domain, body, state, next_attempt >= {NEVER} FROM owed WHERE id IN [:ids]")
_NAME = Statement("SELECT name FROM domain WHERE id = :id")
# What was given up without a reply to its last attempt may be at home: it is in doubt, as it may have been before.
_REOPEN = Statement(
    """UPDATE owed SET state = CASE WHEN state = 'expired' AND last_code = 0 THEN 'in_doubt' ELSE 'owed' END,
        ended = 0, attempts = 0, next_attempt = 0, run = 0, unreported = 0,
        uptime_at = (SELECT uptime FROM domain WHERE domain.id = owed.domain)
    WHERE id = :id"""
)
_NOW = Statement(f"UPDATE owed SET next_attempt = 0, run = 0 WHERE id = :id AND token = 0 AND next_attempt < {NEVER}")


def retry(tx: Transaction, ids: Sequence[int], by: str, *, domain: int = 0) -> int:
    """Makes rows due at once, reopens failed and expired ones, and resumes their flush: a home server that is down is
    probed now. Returns how many rows it changed.

    ``by`` is the administrator's name. Raises Refused for an unknown id, for a row of another ``domain`` (0 permits
    any), and for one that has come to another end.
    """
    rows = _find(tx, ids, domain)
    for owed_id, of, body, state, kept in rows:
        if state in (FAILED, EXPIRED):
            tx.run(_REOPEN, id=owed_id)
            hold(tx, body)
            reopen_owed(tx, owed_id, TrackingEvent(tx.now, "", 0, f"Reopened by {by}"))
        elif kept and state in OPEN:
            hint = Hint("contain release", "lets it go home", {"name": str(tx.value(_NAME, id=of))})
            raise Refused(f"{show(owed_id)}: is kept since its home server was cut off", "conflict", hint)
        elif state in OPEN:
            tx.run(_NOW, id=owed_id)
        else:
            raise Refused(
                f"{show(owed_id)}: is {state} already; only failed and expired ones can be sent again", "conflict"
            )
    for wanted in {domain for _, domain, *_ in rows}:
        pause(tx, wanted, "")
        tx.announce(HomeWanted(wanted))
    return len(rows)


_WAITING = Statement(
    f"""SELECT id FROM owed WHERE id > :after AND (:domain = 0 OR domain = :domain) AND token = 0
        AND (state IN ('failed', 'expired')
            OR state IN ('owed', 'in_doubt') AND next_attempt > 0 AND next_attempt < {NEVER})
    ORDER BY id LIMIT :step"""
)


def retry_all(tx: Transaction, by: str, *, domain: int = 0, after: int = 0) -> list[int]:
    """Does `retry` with up to STEP rows above the id ``after``.

    Returns their ids: call it again with the last of STEP.
    """
    for paused in pauses(tx):
        if domain in (0, paused):
            pause(tx, paused, "")
    if not after:
        tx.announce(HomeWanted(domain))  # what waits for home to come back alone is due already
    ids = [row[0] for row in tx.all(_WAITING, domain=domain, after=after, step=STEP)]
    retry(tx, ids, by)
    return ids


_RELEASE = Statement(
    """UPDATE owed SET state = 'released', ended = :now, token = 0, lease_until = 0, run = 0, last_text = :text
    WHERE id = :id"""
)
_OPEN = Statement(
    """SELECT id FROM owed WHERE domain = :domain AND (:account = 0 OR account = :account)
        AND state IN ('owed', 'claimed', 'in_flight', 'in_doubt')
    ORDER BY id LIMIT :step"""
)


def remove(tx: Transaction, ids: Sequence[int], by: str, *, domain: int = 0) -> int:
    """Releases rows: home is not owed them any more. A claimed one is not sent, because its token is gone.

    Raises Refused, and changes nothing, for an unknown id, for a row of another ``domain`` (0 permits any), for one
    that has ended, and for one that home is taking just now.
    """
    rows = _find(tx, ids, domain)
    for owed_id, _domain, _body, state, _kept in rows:
        if state == IN_FLIGHT:
            raise Refused(f"{show(owed_id)}: the home server is taking it just now; look again in a minute", "conflict")
        if state not in OPEN:
            raise Refused(f"{show(owed_id)}: is {state} already", "conflict")
        _release(tx, owed_id, by)
    return len(rows)


def release_all(tx: Transaction, domain: int, by: str, *, account: int = 0) -> int:
    """Releases all that is owed of a domain, or of one of its accounts, even what is in flight (``--force``).

    It returns how many rows it released. Call it again while that is STEP.
    """
    rows = tx.all(_OPEN, domain=domain, account=account, step=STEP)
    for (owed_id,) in rows:
        _release(tx, owed_id, by)
    return len(rows)


def _release(tx: Transaction, owed_id: int, by: str) -> None:
    text = f"Released by {by}"
    tx.run(_RELEASE, id=owed_id, now=tx.now, text=text)
    end_of_owed(tx, owed_id, RELEASED, TrackingEvent(tx.now, "", 0, text))


def _find(tx: Transaction, ids: Sequence[int], domain: int) -> list[tuple[int, int, int, str, int]]:
    rows: list[Any] = tx.all(_FIND, ids=ids)
    missing = set(ids).difference(row[0] for row in rows)
    if missing:
        raise Refused(f"{show(min(missing))}: no such row", "unknown", Hint("queue list", "shows them"))
    for owed_id, of, *_ in rows:
        if domain and of != domain:
            raise Refused(f"{show(owed_id)}: is of another domain", "forbidden")
    return rows
