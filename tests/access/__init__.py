"""The doors of users."""
