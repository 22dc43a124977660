"""What this project says of its own code, read from the source: nothing here runs the service."""
