"""The doors of users: IMAP and POP3, and later webmail and the set-up of clients. None of them imports another.

- ``imap/``: IMAP4rev1 for Outlook, phones and other mail programs.
- ``pop3/``: POP3, which shows INBOX only.
"""
