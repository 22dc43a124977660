"""SMTP, both roles."""
