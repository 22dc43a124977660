"""What users write by webmail, from the first letter until it is on its way.

- ``composition.py``: makes a message of a draft. ``answering.py``: what an answer and a forwarded message begin with.
  ``signature.py``: where the text that they sign with stands in it.
- ``desk.py``: saves drafts, and takes what is attached to them.
- ``outbox.py``: sends what users have written, by the submission that SMTP uses, after the time to undo it.
"""
