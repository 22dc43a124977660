"""SASL (RFC 4422) as a server speaks it, sans-IO: PLAIN, LOGIN and SCRAM-SHA-256 for SMTP, IMAP and POP3."""
