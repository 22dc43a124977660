"""The store on SQLite.

- ``engine.py``: executes transactions. ``writer.py``: the one thread that writes. ``checkpoint.py``: keeps the log
  short. ``driver.py``: pysqlite3.
- ``upgrade.py``: the schema.
"""
