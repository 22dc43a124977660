"""Messages that real software sends, and messages that nobody should."""
