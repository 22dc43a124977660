"""The table. Whatever reads octets of strangers, users, other servers or DNS is in it: test_table.py sees to that."""

from __future__ import annotations

from tests.linear.archived import ARCHIVE
from tests.linear.display import DISPLAY
from tests.linear.engines import ENGINES
from tests.linear.messages import MESSAGES
from tests.linear.policies import POLICIES
from tests.linear.reader import Reader

READERS: dict[str, Reader] = {**ARCHIVE, **DISPLAY, **ENGINES, **MESSAGES, **POLICIES}
