"""The store on PostgreSQL.

- ``engine.py``: executes transactions. ``pool.py``: its connections. ``driver.py``: psycopg. ``url.py``: where the
  database is. ``errors.py``: what its errors mean. ``watchdog.py``: notices that the server has fallen silent.
- ``listener.py``: hears other processes. ``notifier.py``: tells them.
- ``upgrade.py``: the schema.
"""
