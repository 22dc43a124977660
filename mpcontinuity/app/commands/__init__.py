"""The command line ``mpcontinuity``. Each command calls an operation of control/ and shows its result.

- ``main.py``: all commands together.
- ``domain.py``, ``user.py``, ``alert.py``, ``outage.py``, ``admin.py``, ``archive.py``, ``audit.py``: the
  commands of these names.
  ``app_password.py``: ``user app-password``. ``second_factor.py``: ``user second-factor``.
  ``users_out.py``: ``domain users-out``.
  ``publishing.py``: ``domain dns`` and ``domain microsoft-365``.
  ``plan.py``: ``domain plan``. ``contain.py``: ``contain``. ``webhook.py``: ``webhook``. ``drill.py``: ``drill``.
  ``drill_page.py``: its report as a page to print.
  ``mail.py``: ``status``, ``report``, ``track``, ``queue``. ``store.py``: ``check``, ``backup``, ``restore``.
  ``migrate.py``: ``migrate``.
- ``initialise.py``: the first start. ``restoring.py``: what a restored backup goes through. ``reading_back.py``: reads
  the test messages of ``domain test`` back from home.
- ``exporting.py``: the files of ``archive export``.
- ``client.py``: reaches the store, through a running server or by opening it.
- ``configuration.py``: options that all commands take. ``output.py``: tables for people, JSON for programs.
"""
