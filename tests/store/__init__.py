"""The store, its packs and its database."""
