"""The SMTP client over Twisted: pooled sessions to a home server, one outcome per recipient."""
