"""The operation ``doctor``: what could keep mail from being kept here, and what to do about it."""

from __future__ import annotations

from typing import Literal

import msgspec

from mpcontinuity.control.operation import Control
from mpcontinuity.model.errors import Hint, Refused, Temporary


class FindingRow(msgspec.Struct, frozen=True):
    """What one check has found, as `doctor --json` has it. ``advice`` says what to do, and is empty where all is
    well."""

    check: str
    verdict: Literal["good", "warning", "wrong"]
    text: str
    advice: str


async def examine(control: Control) -> list[FindingRow]:
    """Examines configuration, certificate, store, listeners, home servers and DNS of a running server.

    It takes some seconds; what was found within the last half minute is found again. Raises Refused where no server
    runs, and Temporary where it takes longer than a minute, or fails.
    """
    found = control.examine()
    if found is None:
        raise Refused("only a running server is examined in this way", "conflict", Hint("doctor", "examines it here"))
    try:
        return msgspec.json.decode(await found, type=list[FindingRow])
    except msgspec.MsgspecError as error:
        raise Temporary(f"the examination said what is not understood: {error}") from None
