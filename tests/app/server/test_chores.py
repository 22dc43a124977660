"""What is done again and again, and in which order."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from mpcontinuity.app.server import chores
from mpcontinuity.store.store import Store


def test_neither_drills_nor_removals_wait_until_older_mail_is_put_together(store: Store) -> None:
    mail: Any = SimpleNamespace(lookup=None)
    names = [name for name, _ in chores._of_all(store, mail, cast(Any, None))]
    assert {"drills", "merges", "removals", "runs", "conversations"} <= {*names}
    assert "older conversations" not in names
