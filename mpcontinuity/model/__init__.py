"""Values that every layer speaks. Pure: no store, no sockets, no clock of their own."""
