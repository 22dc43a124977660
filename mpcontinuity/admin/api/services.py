"""What the API is given."""

from __future__ import annotations

from dataclasses import dataclass

from mpcontinuity.accounts.administrator_login import AdministratorLogin
from mpcontinuity.accounts.user_login import UserLogin
from mpcontinuity.control.live import Live
from mpcontinuity.control.operation import Control
from mpcontinuity.model.timer import Timer


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiServices:
    """The parts of the server that the API uses.

    ``control`` is what operations work with; each request says who calls them. ``administrators`` and ``users`` judge
    tokens and passwords. ``live`` tells what happens. ``timer`` is the reactor.
    """

    control: Control
    administrators: AdministratorLogin
    users: UserLogin
    live: Live
    timer: Timer
