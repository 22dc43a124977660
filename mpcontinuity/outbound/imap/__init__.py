"""The IMAP client over Twisted: sessions with the IMAP server of a home, each logged in as one user.

- ``session.py``: one session. ``opening.py``: how it begins, up to the login.
"""
