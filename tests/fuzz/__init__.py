"""Fuzzing of all that reads outside octets: ``targets.py`` is the table, ``scripts/fuzz`` runs it."""
