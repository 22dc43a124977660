"""POP3 (RFC 1939) as a server speaks it, sans-IO, with CAPA, STLS, SASL, UTF8 and response codes."""
