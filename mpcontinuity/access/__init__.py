"""The doors of users: IMAP, POP3, webmail, client set-up. None imports another."""
