"""What the pages for people are given."""

from __future__ import annotations

from dataclasses import dataclass

from mpcontinuity.accounts.judging import Judge
from mpcontinuity.control.operation import Control


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupServices:
    """The parts of the server that the pages use.

    ``control`` is what operations work with; each page says who calls them. ``judge`` makes guessing slow, as for
    passwords.
    """

    control: Control
    judge: Judge
