"""The IMAP door: IMAP4rev1 (RFC 3501) over Twisted.

The protocol itself is in protocols/imap/, and what is done with mailboxes in mailbox/.

- ``factory.py``: accepts connections. ``services.py``: what all sessions are given.
- ``connection.py``: passes octets to the engine, its events to the functions below, and the answers to the client.
- ``dispatch.py``: the table that says which function does which command. Begin here with a command's name.
- ``session.py``: what a session is between two commands.
- ``login.py``: STARTTLS, LOGIN, AUTHENTICATE. ``greeting.py``: CAPABILITY, ID, ENABLE, NAMESPACE, NOOP, LOGOUT.
- ``selection.py``: SELECT, EXAMINE, CHECK, and what a client is told of its mailbox. ``idling.py``: IDLE.
- ``folders.py``: CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, STATUS. ``listing.py``: LIST, LSUB. ``quotas.py``:
  GETQUOTA, GETQUOTAROOT.
- ``searching.py``: SEARCH, which mailbox/search.py answers.
- ``fetch.py``: FETCH. ``sections.py``: the items of a FETCH, prepared once per command.
- ``flags.py``: STORE. ``keywords.py``: makes room for a new keyword.
- ``append.py``: APPEND. ``copying.py``: COPY, MOVE. ``expunging.py``: EXPUNGE, CLOSE, UNSELECT.
"""
