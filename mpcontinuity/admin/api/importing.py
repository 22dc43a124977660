"""A CSV file of users as the body of a request: taken as it comes, and then in steps, as ``user import`` takes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from mpcontinuity.control import user_file
from mpcontinuity.control.imports import ImportDone
from mpcontinuity.control.operation import Control
from mpcontinuity.model.errors import Refused
from mpcontinuity.web.asked import Asked
from mpcontinuity.web.uploads import Upload

_ARGUMENTS = ("domain", "preview")


def imported(asked: Asked, upload: Upload) -> Callable[[Control], Awaitable[list[ImportDone]]]:
    """Returns what takes the file; each line's outcome is its progress. Raises Refused for arguments that are none."""
    other = [name for name in asked.query if name not in _ARGUMENTS]
    if other:
        raise Refused(f"{other[0][:40]}: no such argument of a file; there are {', '.join(_ARGUMENTS)}")
    arguments: dict[str, Any] = {name: asked.query.get(name) for name in asked.query}
    if "preview" in arguments:
        if arguments["preview"] not in ("true", "false"):
            raise Refused(f'preview: "{arguments["preview"][:40]}": must be true or false')
        arguments["preview"] = arguments["preview"] == "true"

    async def take(control: Control) -> list[ImportDone]:
        done: list[ImportDone] = []
        try:
            async for some in user_file.imported(control, upload.file, arguments):
                for outcome in some:
                    control.progress(msgspec.to_builtins(outcome))
                await control.drained()
                done += some
        finally:
            upload.close()
        return done

    return take
