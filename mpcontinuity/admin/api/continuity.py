"""``continuity/ADDRESS``: what a program at a user's side asks, with the user's own password or a token."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from mpcontinuity.admin.api.callers import Callers
from mpcontinuity.admin.api.calls import JSON
from mpcontinuity.admin.api.reading import only, read_body
from mpcontinuity.control.operation import Control
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.asked import Asked


class ContinuityCalls:
    """Shows whether continuity is at work for a user, and takes their choice of mode `optional`."""

    def __init__(self, control: Control, callers: Callers) -> None:
        self._control = control
        self._callers = callers

    async def show(self, asked: Asked) -> Answer:
        """Answers with how it stands."""
        return await self._shown(replace(self._control, caller=await self._callers.anybody(asked)), asked)

    async def choose(self, asked: Asked) -> Answer:
        """Takes ``{"opt_in": true}``, or false, and answers with how it stands then."""
        control = replace(self._control, caller=await self._callers.anybody(asked))
        wanted = only(read_body(asked), "opt_in", bool)
        await OPERATIONS["user continuity"](control, {"address": asked.parts["address"], "on": wanted})
        return await self._shown(control, asked)

    async def _shown(self, control: Control, asked: Asked) -> Answer:
        row = await OPERATIONS["user continuity show"](control, {"address": asked.parts["address"]})
        return Answer(msgspec.json.encode(row), content_type=JSON)
