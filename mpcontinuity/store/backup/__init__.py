"""Backups: a snapshot of the database and the packs that it names, in a folder of their own."""
