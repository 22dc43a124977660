"""The wing of the store on SQLite."""
