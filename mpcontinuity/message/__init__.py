"""Internet messages as bytes: structure, header fields, trace. Pure, and never raises, whatever the bytes are."""
