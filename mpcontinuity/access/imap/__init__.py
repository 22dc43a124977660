"""The IMAP door: RFC 3501 over Twisted, one file per group of commands."""
