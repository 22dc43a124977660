"""Protocol engines: dialogues and properties, no sockets."""
