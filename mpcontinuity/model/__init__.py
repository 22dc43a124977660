"""Values that every layer uses. Nothing here knows a store or a socket, or has a clock of its own.

- ``address.py``: mail addresses. ``hosts.py``: hosts, networks, routes. ``imapurl.py``: IMAP URLs.
  ``oauth.py``: how access tokens are got. ``identifier.py``: ids.
- ``reply.py``: a reply of SMTP, and the outcome of an attempt. ``parameters.py``: parameters of MAIL and RCPT.
  ``recipients.py``: how many recipients a user may write to. ``body.py``: where a message is stored.
- ``owed.py``, ``outgoing.py``: the states of rows that wait to be sent. ``events.py``: notices of the store, and words
  of tracking.
- ``flags.py``, ``uidset.py``, ``search.py``: flags, sets of UIDs and search keys of IMAP.
- ``settings.py``: the settings of the server and of domains. ``public.py``: where people find the server.
  ``errors.py``: errors that somebody is told of.
- ``clock.py``, ``timer.py``, ``randomness.py``: time and chance as arguments. ``durations.py``: durations as text.
- ``rations.py``: what a client host may take. ``places.py``: what of it stays open for hours.
  ``sharing.py``: how processes that share a store count together.
- ``visible.py``: text from outside, made harmless for terminals. ``texts.py``: texts for people, to be translated.
"""
