"""What surrounds a process that serves.

- ``log.py``: the log. ``permissions.py``: who may read what the program makes.
- ``reload.py``: reads the configuration again at SIGHUP. ``supervisor.py``: tells systemd how the server is.
- ``refusal.py``: how an error is told to whoever started the program.
"""
