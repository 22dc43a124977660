"""The operation ``user continuity show``: whether a user's mail goes through continuity now, and where to send by then.

It is what a program at the user's side asks again and again, so it costs one short look into the store.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

import msgspec

from mpcontinuity.accounts import domains, home_state
from mpcontinuity.control.operation import Control
from mpcontinuity.control.users import known
from mpcontinuity.model import public
from mpcontinuity.model.address import parse
from mpcontinuity.model.public import Place
from mpcontinuity.routing.health import State
from mpcontinuity.store.transaction import Transaction


class SubmissionPlace(msgspec.Struct, frozen=True):
    """Where the user sends mail through this server; ``tls`` is how the connection is secured."""

    host: str
    port: int
    tls: Literal["implicit", "starttls"]


class ContinuityShown(msgspec.Struct, frozen=True):
    """How continuity stands for a user. ``mode`` is the one in force for their domain, ``state`` that of its home
    server.

    ``active`` says whether their mail is in the continuity mailbox now: an outage is declared, planned or played, home
    is down or cut off, or the mode is `optional` and they have opted in. ``opt_in`` is that choice. ``submission`` is
    None where nobody can send through this server.
    """

    mode: Literal["disabled", "optional", "enabled"]
    state: Literal["up", "down", "recovering"]
    active: bool
    opt_in: bool
    submission: SubmissionPlace | None


async def show(control: Control, address: str) -> ContinuityShown:
    """Shows how continuity stands for a user, by their own address or an alias. Raises Refused if there is none."""
    sending = next((place for place in public.places(control.settings) if place.protocol == "SMTP"), None)
    return await control.store.read(partial(_show, address=address, sending=sending))


def _show(tx: Transaction, address: str, sending: Place | None) -> ContinuityShown:
    user = known(tx, address)
    domain = domains.known(tx, parse(user.address).domain)
    mode, state = domain.mode(tx.now), home_state.state(tx, domain.id) or State.UP
    away = bool(domain.why_not_home(tx.now)) or state.shown is State.DOWN or user.id in domain.drilled(tx.now)
    place = None
    if sending is not None:
        tls: Literal["implicit", "starttls"] = "starttls" if sending.security == "STARTTLS" else "implicit"
        place = SubmissionPlace(sending.host, sending.port, tls)
    return ContinuityShown(
        mode=mode,
        state=_shown(state),
        active=domain.settings.continuity and user.registered and (away or (mode == "optional" and user.opt_in)),
        opt_in=user.opt_in,
        submission=place,
    )


def _shown(state: State) -> Literal["up", "down", "recovering"]:
    match state.shown:
        case State.DOWN:
            return "down"
        case State.RECOVERING:
            return "recovering"
    return "up"
