"""The doors of users: IMAP, POP3 and the pages by which they begin; later webmail. None of them imports another.

- ``imap/``: IMAP4rev1 for Outlook, phones and other mail programs.
- ``pop3/``: POP3, which shows INBOX only.
- ``setup/``: pages of the web, by which people set a password.
"""
