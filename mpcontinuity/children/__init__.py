"""Child processes that read octets which may do harm: they have little memory, little time and no secrets, and may die.

- ``pool.py``: the pool of children, in the server. ``child.py``: the program of a child.
- ``readers.py``: those that read messages for display, shared among users. ``reader.py``: their program, which is
  confined (``confinement.py``).
- ``blocking.py``: one child for a command that works where no server runs.
- ``frames.py``: what parent and child say to each other.
"""
