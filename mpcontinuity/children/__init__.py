"""Processes of our own that read what may do harm: they have little memory, little time, no secrets, and may die."""
