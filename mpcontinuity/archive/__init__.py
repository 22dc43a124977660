"""What passed through, kept for the retention of its domain."""
