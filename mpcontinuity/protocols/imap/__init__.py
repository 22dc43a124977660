"""IMAP4rev1 (RFC 3501) with the extensions that clients use, as a server speaks it, and as a client.

- ``engine.py``: octets in, events out. ``parse.py``: from the text of a command to its value, by a table of commands.
  ``command.py``: those values. ``cursor.py``: the terminals of the grammar. ``limits.py``: how much is read.
- ``searching.py``: the keys of SEARCH, which become a tree (model/search.py). ``items.py``: the items of FETCH.
  ``pattern.py``: patterns of LIST. ``dates.py``: dates. ``utf7.py``: names of mailboxes.
- ``response.py``: what the server says.
- ``client.py``: the client's engine. ``answer.py``: what a server answers to it.
- ``objectids.py``: object identifiers.
"""
