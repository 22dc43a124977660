"""Protocols without sockets: octets in, events out. No engine knows a clock, a socket or a store.

- ``smtp/``, ``imap/``, ``pop3/``: the engines. ``sasl/``: how clients prove who they are, for all three.
- ``discovery/``: how mail programs find out where mail is read and sent.
- ``proxy.py``: the header of HAProxy's PROXY protocol. ``mta_sts.py``: policies of MTA-STS.
"""
