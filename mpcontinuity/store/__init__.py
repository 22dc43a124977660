"""The database and the files of messages. Nothing else knows either: all others have transactions and bodies.

- ``store.py``: the store as others use it. ``transaction.py``: what a piece of work sees of the database.
  ``statement.py``: SQL. ``schema/``: all tables.
- ``engine.py``: executes transactions, by ``sqlite/`` or ``postgresql/``. ``job.py``: one transaction that waits.
  ``readers.py``: threads that read. ``runner.py``: threads, or simulated time. ``driver.py``: what is asked of a
  driver.
- ``bodies/``: messages, in pack files or in the database. ``disk.py``: the file system.
- ``upkeep/``: brings database and packs together, and drops what is no longer needed. ``backup/``: backups.
- ``migrations/``: changes of the schema. ``revision.py``: the newest one.
- ``nodes.py``: the processes that have the store open. ``election.py``: what one of them does for all. ``lock.py``: one
  process at a time on SQLite. ``notices.py``: what they tell each other. ``timekeeping.py``: jumps of the clock.
- ``meta.py``: facts about the store. ``figures.py``: what it did, for metrics.
"""
