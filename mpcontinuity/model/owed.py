"""The states of an owed row: owed → claimed → in_flight → (in_doubt) → one of the outcomes."""

from __future__ import annotations

OWED = "owed"
CLAIMED = "claimed"  # leased by a worker that has not yet sent the final dot
IN_FLIGHT = "in_flight"  # the final dot may be on its way: never retried as plainly owed
IN_DOUBT = "in_doubt"  # home may have it: retried with the same id

DELIVERED = "delivered"
DELETED = "deleted"
FAILED = "failed"
EXPIRED = "expired"
RELEASED = "released"

NEVER = 1 << 62  # as `next_attempt`: it is kept until an administrator releases it (control/containment.py)

OPEN = (OWED, CLAIMED, IN_FLIGHT, IN_DOUBT)
OUTCOMES = (DELIVERED, DELETED, FAILED, EXPIRED, RELEASED)
