"""SMTP, both roles: RFC 5321 and the extensions that are offered."""
