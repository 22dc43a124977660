"""``mpcontinuity demo``: plays a whole outage on loopback, and proves by the ledger that nothing was lost or doubled.

- ``play.py``: the play itself. ``display.py``: how it is shown.
- ``home.py``: its home server, which can be switched off. ``service.py``: its server, in a temporary folder.
"""
