"""The IMAP door, by dialogues and by strangers."""
