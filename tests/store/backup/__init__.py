"""Backups and restores, apart from what `check` finds after them (tests/check/)."""
