"""The POP3 door (RFC 1939): a maildrop that is the user's INBOX. The protocol itself is in protocols/pop3/.

- ``factory.py``: makes connections. ``services.py``: what every connection is given.
- ``connection.py``: passes commands to the session, and their failures to the client. The loop around it is in
  door/connection.py.
- ``session.py``: what each command does. ``maildrop.py``: the messages of a session and their numbers.
- ``lock.py``: one session at a time has a maildrop.
"""
