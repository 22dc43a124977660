"""SASL (RFC 4422) as a server speaks it: PLAIN, LOGIN and SCRAM-SHA-256, for SMTP, IMAP and POP3.

- ``exchange.py``: an exchange of one mechanism. ``scram.py``: SCRAM.
"""
