"""Sans-IO protocol engines: bytes in, events out; no clock, no sockets, no store."""
