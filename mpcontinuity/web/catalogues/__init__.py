"""The catalogues of languages: ``de.po`` is German. English is what stands in templates and code.

- ``po.py``: reads a file of gettext. ``fitting.py``: whether a text can stand for the one that it translates.
"""
