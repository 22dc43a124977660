"""Webmail: the continuity mailbox in a browser. It stores, searches and sends by what IMAP and SMTP use.

- ``site.py``: which pages there are. ``services.py``: what they are given.
- ``signed_in.py``: what every page behind the login has; each is a coroutine function of a `Visit`.
  ``signing_in.py``: the login and its steps, and logging out.
- ``folder.py``: the list of a folder. ``message.py``: one message.
"""
