"""Watches home servers: whether they serve, and since when. routing/health.py has the table of their states.

- ``service.py``: the health of all home servers, kept across restarts. ``prober.py``: probes one of them.
- ``user_side.py``: whether users can log in there.
"""
