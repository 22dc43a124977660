"""Judges the refusals of a redelivery when its run ends: after a pause they are owed again, else they fail.

Until then a refused row is owed, with the number of the run in its column ``run``, and not due for a while (contract,
'Recovery').
"""

from __future__ import annotations

from mpcontinuity.model.events import ReportDue, TrackingEvent
from mpcontinuity.model.owed import FAILED
from mpcontinuity.queue.owed import UNREPORTED
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking.record import end_of_owed

STEP = 500  # rows of one transaction

_REFUSED = (
    "SELECT id FROM owed WHERE domain = :domain AND state IN ('owed', 'in_doubt') AND next_attempt > 0 AND run = :run"
)
_FAIL = Statement(
    f"""UPDATE owed SET state = 'failed', ended = :now, run = 0, unreported = {UNREPORTED.format("'failed'")}
    WHERE token = 0 AND id IN ({_REFUSED} LIMIT :step) RETURNING id, last_code, last_text"""
)
_FORGIVE = Statement(
    f"UPDATE owed SET run = 0, next_attempt = :next WHERE id IN ({_REFUSED} LIMIT :step)",
)


def fail_refused(tx: Transaction, domain: int, run: int) -> int:
    """Fails the refused rows of a run that is over. Returns how many: call it again while that is STEP."""
    rows = tx.all(_FAIL, domain=domain, run=run, now=tx.now, step=STEP)
    for owed_id, code, text in rows:
        end_of_owed(tx, owed_id, FAILED, TrackingEvent(tx.now, "", code, f"Failed, refused: {text}"))
    if rows:
        tx.announce(ReportDue())
    return len(rows)


def forgive_refused(tx: Transaction, domain: int, run: int, next_attempt: int) -> int:
    """Makes the refused rows of a run owed again, because the flush has paused.

    It returns how many. Call it again while that is STEP.
    """
    return tx.run(_FORGIVE, domain=domain, run=run, next=next_attempt, step=STEP)
