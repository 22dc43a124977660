"""SMTP for those who bring mail: ports 25, 587 and 465. The protocol itself is in protocols/smtp/.

- ``factory.py``: accepts connections. ``services.py``: what all sessions are given.
- ``session.py``: passes octets to the engine, its events to a transaction of delivery/, and the replies to the client.
- ``authenticating.py``: AUTH. ``certified.py``: names that a client proves by its certificate.
- ``patience.py``: how long a client is waited for. ``receipt.py``: whether a client can have read our answer.
"""
