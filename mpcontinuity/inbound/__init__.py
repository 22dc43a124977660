"""The SMTP door: ports 25, 587 and 465."""
