"""The API, ``/api/v1/``: the operations of control/ by HTTP and JSON.

- ``table.py``: which method and path each operation has. Begin here. ``site.py``: the routes.
- ``calls.py``: answers a request by calling its operation. ``callers.py``: who asks. ``reading.py``: arguments.
  ``problems.py``: errors. ``rations.py``: what a token may ask in a time. ``repetition.py``: Idempotency-Key.
- ``progress.py``: long operations, whose progress is answered as it comes. ``files.py``: messages of the archive as
  files. ``importing.py``: users from a CSV file.
- ``continuity.py``: what a program at a user's side asks. ``events.py``: what happens, as it happens.
- ``openapi.py``: the description of all this, made of the operations' types. ``services.py``: what the API is given.
"""
