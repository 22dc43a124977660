"""The POP3 door (RFC 1939): a maildrop that is the user's INBOX. The protocol itself is in protocols/pop3/.

- ``factory.py``: accepts connections. ``services.py``: what all sessions are given.
- ``connection.py``: passes octets to the engine, its events to the session, and the answers to the client.
- ``session.py``: what each command does. ``maildrop.py``: the messages of a session and their numbers.
- ``lock.py``: one session at a time has a maildrop.
"""
