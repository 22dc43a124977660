"""The rows of what waits to be sent, and the ledger over them. Each function runs in one transaction.

- ``owed.py``: rows owed to home servers, from taking in to their end. ``due.py``: which of them are due.
  ``wanted.py``: home asks for them. ``backlog.py``: how many there are. ``schedule.py``: when an attempt is repeated.
  ``taken.py``: whether home took what it was owed. ``progress.py``: how far each flush has come.
- ``ledger.py``: taken in = delivered + deleted + failed + expired + released + owed. ``folding.py``: keeps its sums
  when rows are dropped. ``refusals.py``: what refusals come to at the end of a run.
  ``balance.py``: what became of what an outage left owed.
- ``contained.py``: what is kept since home was cut off, until it is released.
- ``fates.py``: what a user is told of a message.
- ``lineage.py``: whether the user still has a message. ``placements.py``: where it lies. ``drafts.py``: those that go
  home, too. ``merging.py``: hands what is owed over to another user. ``adoption.py``: mail whose address is registered
  afterwards.
- ``leases.py``, ``holders.py``: leases whose holder is gone. ``recovery.py``: rows after a database was lost.
  ``kept.py``: what home has got leaves the mailbox here.
  ``removal.py``: rows whose user or domain is removed.
- ``outgoing.py``: rows of mail to the world. ``unreported.py``: rows whose sender is still to be told.
  ``vacation.py``: mail that a vacation text may answer, and who was answered.
- ``listing.py``, ``outbound.py``: what ``queue list``, ``retry`` and ``remove`` do with either kind.
"""
