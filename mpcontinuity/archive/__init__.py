"""What passed through, kept as long as its domain says.

- ``record.py``: rows of the archive. ``retention.py``: drops them when their time has come.
- ``query.py``: the query language. ``words.py``: the words of a text, as a query and the index have them.
"""
