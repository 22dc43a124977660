"""The errors of PostgreSQL, as the store's callers know them."""

from __future__ import annotations

import psycopg

from mpcontinuity.model.errors import Full, Temporary
from mpcontinuity.store.driver import Again, Conflict, Lost


def translate(error: Exception) -> Exception:
    """Returns a psycopg error as the store's callers know it, by its SQLSTATE (`Driver.translate`)."""
    state: str = getattr(error, "sqlstate", None) or ""
    kind = state[:2]
    if kind == "40" or state == "55P03":  # serialization, deadlock; a lock that did not come in time
        return Again(f"the database asks to try again: {one_line(error)}")
    if kind == "23":
        return Conflict(one_line(error))
    if state == "53100":
        return Full(f"the database cannot grow: {one_line(error)}")
    # 25P03: our session idled in a transaction, while we or the network hung, and was ended.
    if (
        kind in ("08", "57")
        or state == "25P03"
        or (not state and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError))
    ):
        return Lost(f"the database is away: {one_line(error)}")
    if kind in ("53", "58", "XX") or state == "25006":  # resources, its disk, its mistake; a standby that only reads
        return Temporary(f"the database failed: {one_line(error)}")
    return error


def one_line(error: Exception) -> str:
    """Returns the text of an error of the server, which may have several lines, as one."""
    return " ".join(str(error).split())
