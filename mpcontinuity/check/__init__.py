"""``mpcontinuity check``: finds what is wrong with the store, and mends what can be mended without guessing.

- ``check.py``: the check from end to end. ``inspection.py``: what one run is given and counts.
- ``database.py``: the database itself. ``messages.py``: messages against their packs; ``contents.py``: what packs say
  of messages. ``mailboxes.py``: mailboxes against their messages. ``ledgers.py``: the ledger against its rows.
  ``outcomes.py``: whether packs know what became of messages.
- ``indexing.py``: builds the index again from packs; ``departures.py``: likewise for mail that users sent.
- ``archive_index.py``: the archive's index against the archive.
- ``describe.py``: what the index knows about one message.
"""
