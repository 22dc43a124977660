"""The pages by which people begin: they set a password, and set up their mail programs; and what those ask for.

- ``site.py``: which pages there are. ``services.py``: what they are given, and how a template becomes a page.
- ``invitation.py``: the page of an invitation, ``/invite/…``.
- ``guide.py``: the values for each mail program, ``/setup``. ``device.py``: a password for the device at hand,
  ``/setup/phone``.
- ``discovery.py``: what mail programs ask for by themselves. ``well_known.py``: ``/healthz``, and whom to tell of a
  hole.
- ``templates/``: the HTML.
"""
