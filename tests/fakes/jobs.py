"""Work of a child, done here and at once."""

from __future__ import annotations

import importlib
from typing import Any

from mpcontinuity.children.pool import Died


class Here:
    """``dying``: so many of the next jobs end before they have said anything."""

    def __init__(self, dying: int = 0) -> None:
        self.dying = dying
        self.begun = 0

    async def begin(self, kind: str, argument: bytes) -> _Job:
        self.begun += 1
        self.dying -= 1
        return _Job(importlib.import_module(kind).Work(argument), dies=self.dying >= 0)


class _Job:
    def __init__(self, work: Any, *, dies: bool) -> None:
        self._work = work
        self._dies = dies

    async def feed(self, piece: bytes) -> bool:
        return bool(self._work.feed(piece))

    async def ask(self, question: bytes) -> bytes:
        if self._dies:
            raise Died("killed")
        answer: bytes = self._work.ask(question)
        return answer

    def close(self) -> None:
        pass
