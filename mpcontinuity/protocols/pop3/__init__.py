"""POP3 (RFC 1939) as a server speaks it, with CAPA (RFC 2449), STLS (RFC 2595), AUTH (RFC 5034) and UTF8 (RFC 6856).

- ``engine.py``: octets in, events out, and the response codes of RFC 2449 §8. ``events.py``: the events.
- ``message.py``: a message as POP3 sends it.
"""
