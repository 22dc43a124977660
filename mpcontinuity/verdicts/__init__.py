"""What SPF, DKIM and DMARC say of mail that is kept. At redelivery mail comes from us, and home could no longer tell.

- ``service.py``: checks mail after its 250. ``record.py``: rows of `verdict`. ``dns.py``: answers of DNS, remembered.
- ``spf.py``, ``dmarc.py``: these checks. ``signatures.py``: DKIM, with ``examination.py``, which a child process runs.
"""
