"""IMAP4rev1 (RFC 3501) with the extensions that clients use, server side, sans-IO."""
