"""HTTP, with bounds on what a request may cost.

- ``channel.py``: connections and their bounds. ``answers.py``: what is answered, and how it is sent.
- ``pages.py``: a site of a few fixed pages for machines. ``routes.py``: a site for people, with forms, and what
  browsers may do with it. ``form.py``: reads a form.
- ``charts.py``: charts as SVG. ``look/``: what pages look like.
"""
