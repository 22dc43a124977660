"""``mpcontinuity demo``: a whole outage, played on loopback and proved by the ledger."""
