"""Mailboxes and the messages in them: append, read, change, search, and what each session sees of them."""
