"""The IMAP client over Twisted: sessions with the IMAP server of a home, each logged in as one user.

- ``session.py``: one session. ``opening.py``: how it begins, up to the login. ``tokens.py``: access
  tokens of OAuth 2. ``sessions.py``: keeps sessions for the next message of the same user.
- ``mailboxes.py``: what is asked of the mailboxes of one user.
"""
