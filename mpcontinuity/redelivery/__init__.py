"""Sends home what is owed to it: users in turn, of each the oldest first, no faster than home takes it, and not while
home refuses everybody.

- ``service.py``: begins a flush for each home server that is back. ``environment.py``: what all flushes are given.
- ``flush.py``: the flush of one domain. ``backlog.py``: reads what is due. ``order.py``: whose message is next.
  ``run.py``: one run from its first message to its last. ``sending.py``: one row on its way. ``attempt.py``: one
  attempt by SMTP. ``recording.py``: writes its outcome down.
- ``filing.py``: one attempt by IMAP, into the folder where the message lies here. ``folders.py``: which of home's
  folders that is. ``identity.py``: whether home has the message already.
- ``ramp.py``: how many messages go at once and in a second. ``pace.py``: the same for all domains of a home server.
  ``pausing.py``: when a flush pauses. ``progress.py``: says how far it has come.
"""
