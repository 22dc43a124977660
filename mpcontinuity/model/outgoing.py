"""The states and kinds of a row of `outgoing`: queued → claimed → delivered, when the row goes, or another end."""

from __future__ import annotations

QUEUED = "queued"
CLAIMED = "claimed"  # leased by a worker

FAILED = "failed"  # a 5xx, or nobody to send it to
EXPIRED = "expired"  # tried until `give_up`
REMOVED = "removed"  # by an administrator
# Its row stays until the sender, who asked for it, is told (RFC 3461): in a mailbox of ours, or with a server that does
# not report further. One that does has the sender's wish with the message, and the row goes at once.
DELIVERED = "delivered"
RELAYED = "relayed"
PASSED_ON = "passed on"

OPEN = (QUEUED, CLAIMED)

# Kinds, and directions of tracking: mail of users, reports about it, alerts to administrators, mail from the archive.
OUTBOUND, DSN, ALERT, RELEASE = "outbound", "dsn", "alert", "release"
INBOUND = "inbound"  # a stranger's mail that home took: a row of it is there for the report alone
