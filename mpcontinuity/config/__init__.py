"""Reads, checks and explains mpcontinuity.toml. The settings themselves are structs in model/settings.py.

- ``keys.py``: every key, what it may hold and what it is for. ``values.py``: the kinds of values.
- ``read.py``: reads the file, and says in one line what is wrong. ``example.py``: writes a commented file.
"""
