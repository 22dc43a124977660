"""The parts of the server, and the one place that joins them."""
