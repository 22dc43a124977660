"""What surrounds a process that serves: its log, its signals, the service manager."""
