"""Sends what waits in the table `outgoing`: to the world, or to our own domains.

- ``service.py``: finds what is due, and gives each destination a lane. ``lane.py``: sends what is due for one
  destination. ``letters.py``: which rows go in one message, and what its outcome means for them.
- ``turnover.py``: mail that waits for a domain of ours goes into mailboxes when continuity begins for it.
- ``shares.py``: how many lanes each sender may have. ``watch.py``: notices a host that gives no sign.
"""
