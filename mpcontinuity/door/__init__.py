"""What every door does alike, whatever its clients speak.

- ``output.py``: writes no faster than the client reads. ``closing.py``: ends the sessions of a user whose password
  changed. ``spending.py``: tells other processes what hosts took.
"""
