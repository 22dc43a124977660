"""The POP3 door (RFC 1939): a maildrop that is the user's INBOX."""
