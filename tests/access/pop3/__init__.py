"""The POP3 door, by dialogues and by strangers."""
