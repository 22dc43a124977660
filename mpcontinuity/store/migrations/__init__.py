"""Changes of the schema, run by Alembic.

On SQLite that is done at start (sqlite/upgrade.py), on PostgreSQL by `mpcontinuity migrate` (postgresql/upgrade.py).

- ``versions/``: the changes. They import no live table, so that what was done stays as it was.
- ``env.py``: what Alembic calls.
"""
