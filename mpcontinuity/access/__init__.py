"""The doors of users: IMAP, POP3, webmail and the pages by which they begin. None of them imports another.

- ``imap/``: IMAP4rev1 for Outlook, phones and other mail programs.
- ``pop3/``: POP3, which shows INBOX only.
- ``webmail/``: the mailbox in a browser.
- ``setup/``: pages of the web, by which people set a password.
"""
