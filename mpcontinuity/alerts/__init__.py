"""Tells administrators, subscribers and users what they should know, by mail that needs no home server.

- ``subscribers.py``: who hears of a domain.
- ``announcing.py``: keeps what the server itself has to say, and puts it into INBOX or into the queue.
"""
