"""What becomes of an inbound message: relayed to the home server, or redirected into continuity."""
