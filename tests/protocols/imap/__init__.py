"""The sans-IO IMAP engine."""
