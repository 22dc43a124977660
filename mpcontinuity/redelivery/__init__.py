"""What is owed goes home: in order, no faster than home takes it, and not at all where home refuses everybody."""
