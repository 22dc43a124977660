from __future__ import annotations

from tests.queue.conftest import books as books
