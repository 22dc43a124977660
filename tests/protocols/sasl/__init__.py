"""SASL, sans-IO."""
