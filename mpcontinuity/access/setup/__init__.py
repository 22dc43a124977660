"""The pages by which people begin: they set a password by an invitation.

- ``site.py``: which pages there are. ``services.py``: what they are given. ``html.py``: how a page is written.
- ``invitation.py``: the page of an invitation, ``/invite/…``.
"""
