"""The revision of the schema that this version needs, on either database."""

from __future__ import annotations

from mpcontinuity.model.errors import Refused
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

HEAD = "0010"  # the newest revision in migrations/versions

_RECORDED = Statement("SELECT version_num FROM alembic_version")


def newer(database: str, present: str) -> Refused:
    """Returns the error for a database, so named for people, whose revision ``present`` is above HEAD."""
    return Refused(
        f"{database} has schema {present}, but this version of mpcontinuity knows {HEAD}: "
        "install the version that wrote it, or a newer one",
        "conflict",
    )


def recorded(tx: Transaction) -> str:
    """Returns the revision that the database has now; a server of a newer version may have raised it."""
    return str(tx.value(_RECORDED) or "")
