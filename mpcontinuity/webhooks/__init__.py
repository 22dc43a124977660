"""Tells other systems by HTTPS of every change of a domain's state: for chat, for SMS, for a status page.

- ``hooks.py``: who is told, and what is still to be told to them. ``changes.py``: finds what has changed.
- ``sending.py``: signs an event and sends it. ``service.py``: does all that every few seconds, and for a day where a
  hook does not answer.
"""
