"""Domains, users and administrators: their addresses, passwords and keys, and who may log in.

- ``directory.py``: domains and users in memory, for everything that asks with each message or login.
- ``domains.py``: rows of domains. ``users.py``: rows of users and their addresses. ``leaving_users.py``: of those
  whose mail is to follow. ``counters.py``: what the ledger counts in them. ``taken.py``: addresses that home took.
  ``home_state.py``: what is remembered of a home server. ``home_history.py``: how it was in the last 90 days.
  ``plans.py``: outages that are declared for a set time. ``drills.py``: outages that are played for some users.
  ``drill_logins.py``: who logs in meanwhile. ``home_users.py``: whether home's users can use it. ``containment.py``:
  whether home is cut off. ``declarations.py``: what administrators have declared and is in force.
- ``vacation.py``: what is said in a user's name while they are away.
- ``relay_check.py``: which addresses become users by `relay-check`.
- ``user_login.py``: logs users in, at every door. ``administrator_login.py``: logs administrators in, by password or
  token. A session of the portal asks the latter, one of webmail the former.
  ``app_passwords.py``: rows of the passwords that single devices log in by. ``logins.py``: when users logged in last.
  ``last_logins.py``: how many have since a time.
- ``judging.py``: the one place where a password is compared with its hash. ``passwords.py``: hashes.
  ``authentication.py``: an exchange of SASL, for any door. ``throttle.py``: makes guessing slow; ``failures.py`` shares
  its counts between processes.
- ``administrators.py``: rows of administrators. ``tokens.py``: rows of their tokens. ``second_factor.py``: what they
  log in by besides a password; ``user_factors.py``: what users do. ``totp.py`` computes codes for both.
  ``web_sessions.py``: browsers in which somebody is signed in. ``links.py``: rows of secrets in links, by which
  somebody may do one thing without logging in. ``invitations.py``: those by which a user sets a password.
- ``audit.py``: rows of the audit trail, of who did what.
- ``signing.py``: signs mail that leaves, by DKIM. ``dkim.py``: rows of the keys. ``rotation.py``: lets a new key take
  over.
- ``quotas.py``: which quotas a user has. ``domain_storage.py``: how much a domain stores.
- ``origins.py``: which clients are home servers, by their addresses.
"""
