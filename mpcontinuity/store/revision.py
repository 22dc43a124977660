"""The revision of the schema that this version needs, on either database."""

from __future__ import annotations

from mpcontinuity.model.errors import Refused

HEAD = "0006"  # the newest revision in migrations/versions


def newer(database: str, present: str) -> Refused:
    """Gives the error for a database whose revision ``present`` is above HEAD; ``database`` is its name for people."""
    return Refused(
        f"{database} has schema {present}, but this version of mpcontinuity knows {HEAD}: "
        "install the version that wrote it, or a newer one",
        "conflict",
    )
