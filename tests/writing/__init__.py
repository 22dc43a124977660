"""Drafts of users, and how they leave."""
