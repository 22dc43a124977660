"""Where connections come in: addresses, descriptors, limits of hosts, TLS."""
