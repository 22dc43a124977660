"""Answers mail in the name of users who are away, by the vacation text that they have written (RFC 3834).

- ``decision.py``: which mail may be answered, and to whom the answer goes. The functions are pure.
- ``answer.py``: writes an answer, and queues it. ``service.py``: looks for what is to be answered.
"""
