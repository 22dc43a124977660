"""Upkeep of the store and its bodies."""
