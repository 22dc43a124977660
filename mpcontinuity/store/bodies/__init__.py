"""Message bodies in packs: append-only files, synced before the index names what they hold (design 9)."""
