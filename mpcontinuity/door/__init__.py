"""What every door does alike, whatever its clients speak.

- ``factory.py``: makes connections, counts them, and ends them when the server stops. ``services.py``: what every
  connection is given.
- ``connection.py``: the loop from octets to answers, time, the last word and the end. Begin here.
- ``authenticating.py``: who has logged in, and how often that failed. ``lastword.py``: why a connection is ended.
- ``deadline.py``: the one alarm of a connection.
- ``output.py``: writes no faster than the client reads. ``closing.py``: ends the sessions of a user whose password
  changed. ``spending.py``: tells other processes what hosts took.
"""
