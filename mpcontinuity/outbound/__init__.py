"""The SMTP client over Twisted: sessions to home servers and to hosts of the world, one outcome per recipient.

- ``home.py``: home servers as domains see them. ``server.py``: one home server. ``probing.py``: what a probe asks it.
- ``world.py``: the hosts of a domain in the world. ``resolution.py``: finds them by MX. ``route.py``: MX or smarthost.
- ``transaction.py``: one mail transaction. ``peer.py``: what it needs of the server at the other end. ``repeating.py``:
  asks once more on a fresh session.
- ``pool.py``: the sessions to one server. ``capacity.py``: how many it bears. ``mailboxes.py``: which of its mailboxes
  are slow. ``waiting.py``: who waits for one. ``opening.py``: how a session begins. ``session.py``: one session.
- ``holding.py``: how long a message waits for all. ``late.py``: a reply that comes after that.
- ``network.py``: connections and TLS. ``lookup.py``: asks DNS. ``names.py``: names in DNS.
- ``imap/``: the IMAP client, for what goes home into folders.
- ``certificates.py``: what we show to servers that ask for a certificate. ``https.py``: asks servers by HTTPS.
"""
