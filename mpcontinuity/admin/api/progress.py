"""What a long operation says before its end, as lines of JSON."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Final

import msgspec
from twisted.logger import Logger

from mpcontinuity.admin.api.problems import Problem, problem_of
from mpcontinuity.control.heard import Heard

JSON_LINES: Final = "application/jsonl"

_log = Logger()


async def lines(running: Heard) -> AsyncGenerator[bytes, None]:
    """Gives lines of JSON: ``{"progress": …}`` for each thing that is said, and at last ``{"result": …}`` or
    ``{"problem": …}``."""
    pieces = running.pieces()
    try:
        async for said in pieces:
            yield _line("progress", said)
        yield _line("result", running.result)
    except Exception as error:
        problem = problem_of(error)
        if problem is None:
            _log.failure("an operation of the API failed")
            problem = Problem(500, "an error of the server, which its log tells of")
        yield _line("problem", problem.told())
    finally:
        await pieces.aclose()


def _line(name: str, value: Any) -> bytes:
    return msgspec.json.encode({name: value}) + b"\n"
