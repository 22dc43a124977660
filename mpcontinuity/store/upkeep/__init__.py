"""Keeps database and packs in agreement, and drops what nobody needs any more.

- ``reconcile.py``: at start, takes in what a crash left in packs alone. ``verify.py``: whether both agree.
- ``retention.py``: drops packs whose time has come. ``garbage.py``: drops messages in the database.
- ``packs_folder.py``: at start, whether the folder of packs is the one that other processes have. ``generation.py``:
  whether the database is as new as the packs. ``condition.py``: the condition of a database that is not open.
"""
