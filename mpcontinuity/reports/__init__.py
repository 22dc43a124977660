"""Tells senders what became of their messages, by delivery status notifications.

- ``service.py``: finds rows whose sender is to be told. ``policy.py``: who is told what. ``proof.py``: whether a sender
  is who they claim to be.
- ``composing.py``: writes a report. ``placing.py``: puts it into INBOX, or into the queue.
"""
