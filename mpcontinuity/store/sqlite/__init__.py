"""SQLite: the driver, the one thread that writes, checkpoints of the WAL, and upgrades of the file."""
