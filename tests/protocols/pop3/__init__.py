"""POP3, sans-IO."""
