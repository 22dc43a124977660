"""HTTP for pages and programs, which knows neither accounts nor operations.

- ``channel.py``: HTTP/1.1 of twisted.web with bounds. ``framing.py``: heads that are refused. ``inflow.py``: the body
  of a request in pieces, as it comes. ``uploads.py``: one that is kept in a file. ``answers.py``: what a page answers,
  and how it is sent.
- ``routes.py``: a site of pages by method and path. ``asked.py``: a request as pages see it. ``form.py``: reads forms,
  ``multipart.py`` those with files.
  ``cookies.py``, ``csrf.py``, ``headers.py``: what keeps other sites away from a browser that is signed in.
  ``before_login.py``: the form of a login, and who comes by a link from elsewhere.
- ``templates.py``, ``static.py``: HTML, and the files beside it, of each package of pages. ``languages.py``: texts in
  the language of the reader, ``catalogues/``: what they are in each. ``language_choice.py``: a browser keeps which.
  ``look/``: what all pages look like. ``charts.py``: charts as SVG. ``qr.py``: QR codes.
- ``pages.py``: a site of a few fixed pages for machines.
"""
