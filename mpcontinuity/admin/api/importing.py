"""A CSV file of users as the body of a request, taken in steps, as the command ``user import`` takes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Any, Final

import msgspec

from mpcontinuity.control.imports import ImportDone, lines
from mpcontinuity.control.operation import Control
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.model.errors import Refused
from mpcontinuity.web.asked import Asked

LONGEST: Final = 1 << 20  # octets of a file: some 10,000 users
_BATCH: Final = 20  # lines of one call: an account of them appears while it goes on


def imported(asked: Asked) -> Callable[[Control], Awaitable[list[ImportDone]]]:
    """Returns what takes the file that is the body; each line's outcome is its progress. Raises Refused for what is no
    text."""
    try:
        text = asked.body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refused("the file must be in UTF-8") from None
    other = [name for name in asked.query if name != "domain"]
    if other:
        raise Refused(f"{other[0][:40]}: no such argument of a file; there is domain")
    arguments: dict[str, Any] = {name: asked.query.get(name) for name in asked.query}

    async def take(control: Control) -> list[ImportDone]:
        done: list[ImportDone] = []
        waiting = lines(text)
        while batch := list(islice(waiting, _BATCH)):
            some = await OPERATIONS["user import"](control, {**arguments, "lines": msgspec.to_builtins(batch)})
            for outcome in some:
                control.progress(msgspec.to_builtins(outcome))
            await control.drained()
            done += some
        return done

    return take
