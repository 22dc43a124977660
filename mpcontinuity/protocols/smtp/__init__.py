"""SMTP (RFC 5321), as a server and as a client, with the extensions that are offered.

- ``server.py``: the server's engine. ``events.py``: its events. ``replies.py``: replies as they are sent. ``terms.py``:
  what it allows and offers. ``misuse.py``: counts what leads to nothing.
- ``client.py``: the client's engine.
- ``command.py``: command lines. ``data.py``: what follows DATA and BDAT. ``auth.py``: the lines of AUTH.
"""
