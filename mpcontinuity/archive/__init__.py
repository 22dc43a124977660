"""What passed through, kept as long as its domain says.

- ``record.py``: rows of the archive. ``retention.py``: drops them when their time has come;
  ``holds.py``: unless they are evidence.
  ``archived.py``: whole messages, as they are shown and released.
- ``folder.py``: fills the folder `Email Archive` of users who look at it.
- ``query.py``: the query language. ``words.py``: the words of a text, as a query and the index have them.
- ``document.py``: what the index has of one message. ``segment.py``: that of some thousand messages, as octets.
- ``building.py``: what a child process does for the index. ``index.py``: the index in the database.
- ``indexing.py``: brings it up to what is archived. ``indexer.py``: the service that does so.
- ``matching.py``: which messages of a segment a query finds. ``search.py``: answers it.
"""
