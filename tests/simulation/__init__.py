"""The service on a simulated clock, network and disk."""
