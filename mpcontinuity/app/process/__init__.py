"""What surrounds a process: its log, its signals, the service manager, and what it tells whoever started it."""
