"""Decisions as pure functions and tables: what is done with a message, and how a home server is.

- ``decision.py``: what is done with each recipient of a message. This is where a message is decided.
- ``health.py``: the states of a home server. ``fault.py``: whether a failure is home's or one mailbox's.
- ``refusal.py``: what a refusal at redelivery is about.
"""
