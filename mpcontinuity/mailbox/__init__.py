"""Mailboxes and the messages in them.

- ``mailboxes.py``: a user's mailboxes: list, create, rename, delete. ``names.py``: what they may be called.
- ``conversations.py``: which messages belong together. ``conversation_list.py``: a folder by conversations.
  ``conversation_upkeep.py``: finds those of older mail, and forgets what is gone.
- ``append.py``: new messages. ``change.py``: flags, COPY, MOVE, EXPUNGE. ``keywords.py``: flags with a name of their
  own. ``portions.py``: a long change in short transactions.
- ``read.py``: rows of messages. ``pages.py``: the newest first, a page at a time. ``rendering.py``: what IMAP shows of
  a message, computed without making others wait. ``search.py``: answers SEARCH.
  ``search_all.py``: searches all folders, the newest messages first. ``threads.py``: answers THREAD.
- ``view.py``: what one session knows of its mailbox. ``selected.py``: what all its sessions share;
  ``picture.py``: its messages as arrays.
- ``maildrop.py``: INBOX as POP3 sees it. ``recent.py``: the flag Recent. ``sent.py``: one copy in Sent.
  ``redelivered.py``: what home has got is marked, and leaves. ``drafts.py``: what users write by webmail;
  ``enclosures.py``: what is attached to it; ``signature.py``: what stands below it.
- ``archived.py``: the folder `Email Archive`, which shows what the archive has.
- ``trusted_senders.py``: of whose mail a user wants pictures from elsewhere. ``invitation_answers.py``: what a user has
  answered to invitations.
- ``quota.py``: how much a user stores. ``repair.py``: what ``check --repair`` mends in them.
"""
