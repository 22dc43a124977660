"""Schema changes, run by Alembic: at start (sqlite/upgrade.py), or by `mpcontinuity migrate` (postgresql/upgrade.py).

They import no live table: what was done stays as it was.
"""
