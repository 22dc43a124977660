"""The IMAP door: IMAP4rev1 (RFC 3501) over Twisted.

The protocol itself is in protocols/imap/, and what is done with mailboxes in mailbox/.

- ``factory.py``: makes connections. ``services.py``: what every connection is given.
- ``connection.py``: passes commands to the functions below, and what they come to, or why they failed, to the client.
  The loop around it is in door/connection.py.
- ``dispatch.py``: the table that says which function does which command. Begin here with a command's name.
- ``session.py``: what a session remembers between two commands.
- ``login.py``: STARTTLS, LOGIN, AUTHENTICATE. ``greeting.py``: CAPABILITY, ID, ENABLE, NAMESPACE, NOOP, LOGOUT.
- ``selecting.py``: SELECT, EXAMINE, CHECK. ``selection.py``: the selected mailbox, and what is told of it.
- ``idling.py``: IDLE.
- ``folders.py``: CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, STATUS. ``listing.py``: LIST, LSUB. ``quotas.py``:
  GETQUOTA, GETQUOTAROOT, SETQUOTA.
- ``searching.py``: SEARCH, which mailbox/search.py answers. ``threading.py``: THREAD.
- ``fetch.py``: FETCH. ``sections.py``: the items of a FETCH, prepared once per command.
- ``flags.py``: STORE. ``keywords.py``: makes room for a new keyword.
- ``append.py``: APPEND. ``appending.py``: its message while it is received.
- ``copying.py``: COPY, MOVE. ``expunging.py``: EXPUNGE, CLOSE, UNSELECT.
"""
