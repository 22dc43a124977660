"""``mpcontinuity doctor``: looks for what could keep mail from being kept, and says what to do about it.

- ``examination.py``: all checks, one after the other. ``finding.py``: one line of the result.
- ``machine.py``: files, disk, descriptors, clock. ``database.py``: the database. ``tls.py``: the certificate.
- ``client_certificates.py``: those that home servers get.
- ``dns.py``: what name servers say of us. ``client_setup.py``: what they say of us to mail programs.
- ``outbound.py``: whether mail can leave. ``home_networks.py``: whose mail comes from the addresses of home servers.
- ``home_imap.py``: whether mail could go home into its folders.
- ``smtp.py``: an SMTP client for these checks.
"""
