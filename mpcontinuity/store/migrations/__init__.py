"""Schema changes, run by Alembic at start (upgrade.py). They import no live table: what was done stays as it was."""
