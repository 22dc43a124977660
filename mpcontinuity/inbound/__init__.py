"""SMTP for those who bring mail: ports 25, 587 and 465. The protocol itself is in protocols/smtp/.

- ``factory.py``: makes connections. ``services.py``: what every connection is given.
- ``connection.py``: what each event of the engine comes to. The loop around it is in door/connection.py.
- ``transactions.py``: the stages of a mail transaction on its connection, and what may follow each.
- ``certified.py``: names that a client proves by its certificate.
- ``patience.py``: how long a client is waited for. ``receipt.py``: whether a client can have read our answer.
"""
