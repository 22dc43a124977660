"""What `scripts/bench` runs."""
