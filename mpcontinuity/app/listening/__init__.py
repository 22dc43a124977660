"""Where connections come in: ports, TLS, descriptors, and who is let in.

- ``listeners.py``: makes ports of the endpoint strings in [listen]. ``proxied.py``: ports behind a balancer.
- ``gatekeeper.py``: counts connections and turns away those beyond the limits. ``handshakes.py``: ends TLS handshakes
  that take too long. ``descriptors.py``: how many file descriptors there are, and for whom.
- ``certificate.py``: makes the certificate, and takes it anew when its files change.
"""
