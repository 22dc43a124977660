"""The tables. Times are integer µs UTC, and ids have 64 bits (model/identifier.py) unless something else is said.

The DDL that runs is in migrations/; a test compares the two.

- ``tables.py``: all of them, and who owns each. ``columns.py``: kinds of columns.
- ``accounts.py``, ``drafts.py``, ``events.py``, ``mailboxes.py``, ``messages.py``, ``own_texts.py``, ``queues.py``,
  ``passages.py``, ``machine.py``, ``alerts.py``, ``indexes.py``, ``trail.py``, ``web.py``, ``webhooks.py``: a subject
  each.
"""
