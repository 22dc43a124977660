"""How mail programs find out where mail is read and sent: documents that they ask for, and records of DNS.

All are functions of the places of this server (model/public.py). None has a password in it, and none depends on whether
there is a user of that address.

- ``autoconfig.py``: for Thunderbird and others. ``autodiscover.py``: for Outlook. ``mobileconfig.py``: for Apple's.
  ``useragent.py``: what is to replace them all. ``records.py``: what DNS says to all of them.
"""
