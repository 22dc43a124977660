"""What passed through, kept as long as its domain says.

- ``record.py``: rows of the archive. ``retention.py``: drops them when their time has come.
"""
