"""HTTP, with bounds on what a request may cost.

- ``channel.py``: connections and their bounds. ``pages.py``: a site of a few fixed pages.
"""
