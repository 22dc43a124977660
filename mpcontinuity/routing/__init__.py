"""What is done with a message: pure decisions, the health of home servers, and who an address belongs to."""
