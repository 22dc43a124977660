"""Every operation of administrators as one function. The command line, and later the API and the portal, call these.

- ``operations.py``: the table of all operations, with their names and scopes. Begin here.
- ``operation.py``: how an operation is called by name. ``heard.py``: what it says before its end. ``caller.py``: who
  calls, and what they may do.
  ``arguments.py``: how arguments are read. ``changes.py``: words for who changed what. ``audit.py``: shows it.
  ``live.py``: what happens, as it happens. ``versions.py``: keeps two who edit the same from undoing each other's work.
- ``socket.py``: the control socket of a server. ``client.py``: its other end.
- ``domains.py``, ``domain_settings.py``, ``dkim.py``, ``trial.py``, ``imap_trial.py``: domains, their settings and
  keys, and tests of what home does with mail from us. ``published.py``: what DNS is to say of them, and what it says.
  ``mta_sts.py``: what its MTA-STS policy says. ``microsoft.py``: what is to be set in Microsoft 365.
- ``plans.py``: outages that are declared for a set time. ``containment.py``: home servers that are cut off.
  ``home_users.py``: users whom home does not serve, though it may take mail.
- ``drills.py``: outages that are played for some users. ``drill_report.py``: what came of them.
- ``users.py``, ``imports.py``, ``adoption.py``: users, one by one or from a file, and the mail that waited for them.
  ``user_file.py``: reads that file.
  ``app_passwords.py``: passwords of single devices. ``user_factors.py``: what users sign in by besides a password.
  ``continuity.py``: whether continuity is at work for one.
  ``bulletin.py``: what they are told of it.
  ``invitations.py``: links by which users set a password.
  ``telling.py``: what all users of a domain are told.
  ``newcomers.py``: forgets users of `relay-check` who are not needed. ``merging.py``: makes one user of two.
- ``administrators.py``, ``tokens.py``: administrators, and the tokens that programs use in their name. ``grants.py``:
  what a token grants. ``signing_in.py``: sessions of administrators, and their second factor.
- ``alerts.py``: who hears of the availability of a domain. ``outages.py``: outages, and what is done about them.
  ``outage_room.py``, ``outage_timeline.py``: what happened in one, what users notice, and what to tell them.
  ``webhooks.py``: which URLs are told how domains are.
- ``archive.py``: searches what passed through. ``archived.py``: its messages, shown and released. ``finding.py``: all
  that a search finds. ``releasing.py``, ``exporting.py``: what is done with that. ``holds.py``: what may be dropped.
- ``flow.py``: how much mail came and went in each hour.
- ``status.py``, ``tracking.py``, ``queue.py``: how home servers are and the ledger; what became of messages; what
  waits.
- ``check.py``, ``backup.py``, ``clock.py``: the store and the clock. ``health.py``: what `doctor` says.
  ``removal.py``: removes much in small steps.
"""
