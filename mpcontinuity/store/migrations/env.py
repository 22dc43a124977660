"""Alembic's entry: runs the migrations on the connection that sqlite/ or postgresql/upgrade.py opened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from alembic import context

_done: Callable[[str], None] = context.config.attributes.get("done", lambda revision: None)


def _applied(step: Any, **_: Any) -> None:
    _done(step.up_revision_id)


context.configure(
    connection=context.config.attributes["connection"],
    transaction_per_migration=True,
    on_version_apply=cast("Any", _applied),
)
with context.begin_transaction():
    context.run_migrations()
