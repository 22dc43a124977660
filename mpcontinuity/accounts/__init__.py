"""Domains, users, their addresses and passwords, and who may log in."""
