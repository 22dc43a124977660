"""Backups: a copy of the database and the packs that it names, in a folder of their own.

- ``backup.py``: makes one, beside a store in use. ``restore.py``: puts one back. ``manifest.py``: what is in one.
- ``snapshot.py``: copies a SQLite database. ``tables.py``: copies the tables of PostgreSQL.
"""
