"""What happened to each message for each recipient: rows and their events.

- ``record.py``: writes rows. ``listing.py``: the rows of ``track``. ``retention.py``: drops old ones.
  ``sent.py``: what became of what a user has sent.
- ``errors.py``: how often home failed a message. ``flow.py``: how much came and went in an hour.
"""
