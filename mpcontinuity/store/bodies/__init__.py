"""Messages as octets, durable before any row names them: in *packs*, which are append-only files, or in the database.

- ``bodies.py``: bodies as others use them. ``draft.py``: a message that is being received. ``content.py``: one that is
  read. ``references.py``: rows of `body`.
- ``files.py``: bodies in packs; ``database.py``: bodies in the database, as ``pieces.py``.
- ``packs.py``: the folder of packs. ``layout.py``: the octets of a pack. ``head.py``: what a pack says of a message.
  ``salvage.py``: reads a damaged one.
- ``appender.py``: the thread that writes packs and syncs them.
"""
