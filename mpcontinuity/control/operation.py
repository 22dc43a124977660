"""What an operation has to work with, and how one is called by name with arguments from outside."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, get_type_hints

import msgspec

from mpcontinuity.accounts.passwords import Passwords
from mpcontinuity.control.caller import THE_SERVER, Caller
from mpcontinuity.control.changes import Change, to_log
from mpcontinuity.model.clock import EARLIEST, LATEST, SECOND, from_iso
from mpcontinuity.model.durations import parse
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.randomness import Randomness
from mpcontinuity.model.settings import Settings
from mpcontinuity.outbound.home import HomeServers
from mpcontinuity.store.store import Store

T = TypeVar("T")
Progress = Callable[[Any], None]


def unheard(said: Any) -> None:
    """Nobody listens to the progress."""


def _none() -> None:
    """No server runs here."""


class Compute(Protocol):
    """Runs what is slow or blocks (hashing, a name lookup) beside the reactor. Raises Temporary when too much waits."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]: ...


@dataclass(frozen=True, slots=True)
class Control:
    """What an operation works with.

    ``caller`` asks for the operation, and ``note`` is told what it changes. ``compute`` runs what is slow beside the
    reactor. ``listening`` gives host and port of each listener of this server, none of which may be a home server; the
    host is as configured, empty or an address. ``progress`` hears what a long operation says before its end, as values
    of JSON. ``serving`` says whether mail comes and goes meanwhile. ``homes`` gives the home servers of a running
    server, and None elsewhere.
    """

    store: Store
    settings: Settings
    passwords: Passwords
    compute: Compute
    randomness: Randomness
    listening: Callable[[], list[tuple[str, int]]]
    caller: Caller = THE_SERVER
    note: Callable[[Change], None] = to_log
    progress: Progress = unheard
    serving: bool = False
    homes: Callable[[], HomeServers | None] = _none

    @property
    def by(self) -> str:
        """The caller's name, as tracking will show it."""
        return self.caller.name


class Operation:
    """A coroutine function of (control, **arguments); arguments and result are JSON's values."""

    def __init__(self, function: Callable[..., Awaitable[Any]]) -> None:
        self.function = function
        hints = get_type_hints(function)
        fields: list[Any] = []
        for name, parameter in list(inspect.signature(function).parameters.items())[1:]:
            required = parameter.default is inspect.Parameter.empty
            fields.append((name, hints[name]) if required else (name, hints[name], parameter.default))
        self.arguments = msgspec.defstruct(function.__name__, fields, forbid_unknown_fields=True, kw_only=True)

    async def __call__(self, control: Control, arguments: Mapping[str, Any]) -> Any:
        """Raises Refused, also for arguments that are none of its own."""
        try:
            checked = msgspec.convert(arguments, self.arguments)
        except msgspec.ValidationError as error:
            raise Refused(str(error)) from None
        return await self.function(control, **msgspec.structs.asdict(checked))


def moment(text: str, now: int, *, ahead: bool = False) -> int:
    """µs of an ISO 8601 time, or of a duration before ``now`` (after it, where ``ahead``). Raises Refused."""
    try:
        seconds = parse(text)
    except ValueError:
        pass
    else:
        then = now + round(seconds * SECOND) * (1 if ahead else -1)
        if not EARLIEST <= then <= LATEST:
            raise Refused(f'"{text}": is longer than the calendar')
        return then
    try:
        return from_iso(text)
    except (ValueError, OverflowError):
        raise Refused(
            f'"{text}": not a time, as "2026-11-22T08:00:00+01:00", "2026-11-22", or a duration as "24h"'
        ) from None
