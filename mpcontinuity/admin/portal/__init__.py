"""The portal, ``/admin/``: pages for administrators, each of which calls the operations of control/.

- ``site.py``: all of its routes. ``home.py``: the first page. ``figures.py``: charts of mail and health.
- ``domains.py``: which domains there are. ``domain.py``: how a domain is, and its planned outages. ``continuity.py``:
  its Continuity Service. ``drills.py``: outages that are played for some of its users. ``outage_room.py``: how an
  outage goes, and what to tell users. ``kept.py``: what waits since home was cut off.
- ``signed_in.py``: what every page behind the login has: `Portal` makes routes of pages, a `Visit` is one request.
- ``signing_in.py``: the login in its steps, and logging out. ``account.py``: one's own password, second factor and
  sessions. ``administrators.py``: who else administers. ``tokens.py``: tokens for programs.
  ``browsers.py``: names of browsers.
- ``users.py``: who may log in here. ``importing.py``: from a file. ``cards.py``: paper for
  them, with what they have to know.
- ``tracking.py``: what became of each message. ``csv_lines.py``: lists for spreadsheets.
- ``archive.py``: what passed through, found and released. ``archive_holds.py``: what of it is kept.
- ``runs.py``: what takes long, and goes on without the page that began it.
- ``queue.py``: what waits. ``recovery.py``: how far it has gone home. ``report.py``: the ledger. ``audit.py``: who did
  what.
- ``alert_link.py``: the page of an alert's link, ``/outage/…``, which works without a login.
- ``publishing.py``: what is to be set elsewhere for a domain, in DNS and in Microsoft 365.
- ``webhooks.py``: who is told of a domain's state by HTTPS.
- ``health.py``: what `doctor` says of the server.
- ``templates/``: the HTML of these pages.
"""
