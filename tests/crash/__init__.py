"""Real server processes that are killed at any moment, under load: what was acknowledged is there afterwards."""
