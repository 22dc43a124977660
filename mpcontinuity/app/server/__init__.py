"""The parts of the server, made in the order of their needs: accounts, mail, doors, chores.

- ``parts.py``: makes and ends all of them.
- ``accounts.py``: who may come in. ``mail.py``: what a message passes through, with ``outbound.py``, which sends to the
  world. ``doors.py``: the protocols, at the ports of [listen]. ``chores.py``: what is done again and again.
- ``housekeeping.py``: the chores of every hour. ``workers.py``: threads for what is slow.
- ``control_port.py``: the control socket. ``watched.py``: what the parts count, for watch/.
"""
