"""POP3 (RFC 1939) as a server speaks it, sans-IO, with CAPA (RFC 2449), STLS (RFC 2595), AUTH (RFC 5034),
UTF8 (RFC 6856) and response codes (RFC 2449 §8).
"""
