"""Reads the configuration again at SIGHUP, and takes what can change while the server runs. Sessions and messages under
way go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from twisted.logger import Logger

from mpcontinuity.config.read import BadConfiguration, read
from mpcontinuity.model.settings import Limits, Settings

# Of [limits]: what is looked up when it is needed. All other keys have made parts, sockets or files of themselves.
ADOPTED: Final = (
    "message_size",
    "line_length",
    "recipients",
    "connections",
    "connections_per_host",
    "connections_per_minute",
    "commands_per_minute",
    "messages_per_minute",
    "octets_per_minute",
    "refusals_per_minute",
    "postmaster_octets_per_hour",
    "user_recipients_per_hour",
    "user_storage",
    "user_messages",
    "user_mailboxes",
)

_log = Logger()


class Reload:
    """To be called in the reactor's thread. A configuration that is wrong changes nothing, and the log says what is
    wrong with it.
    """

    def __init__(
        self,
        path: Path,
        settings: Settings,
        *,
        reopen: Callable[[], None],
        look: Callable[[], None],
        adopt: Callable[[Limits], None],
    ) -> None:
        """``settings`` are those that were read from ``path`` at the start. ``reopen`` opens the log anew, ``look``
        takes changed certificates, ``adopt`` the limits.
        """
        self._path = path
        self._settings = settings
        self._reopen = reopen
        self._look = look
        self._adopt = adopt

    def __call__(self) -> None:
        try:
            self._reopen()
        except OSError as error:
            _log.warn("the log cannot be opened anew: {error}", error=str(error))
        self._look()
        try:
            given = read(self._path)
        except BadConfiguration as error:
            _log.error("the configuration stays as it was: {error}", error=str(error))
            return
        changed = list(_changed(self._settings, given))
        limits = msgspec.structs.replace(
            self._settings.limits, **{name: getattr(given.limits, name) for name in ADOPTED}
        )
        self._settings = msgspec.structs.replace(self._settings, limits=limits)
        self._adopt(limits)
        adopted = [key for key in changed if key.removeprefix("limits.") in ADOPTED and key.startswith("limits.")]
        waiting = [key for key in changed if key not in adopted]
        _log.info(
            "configuration read again: {adopted}{waiting}",
            adopted=f"new {', '.join(adopted)}" if adopted else "nothing to adopt",
            waiting=f"; at the next start only: {', '.join(waiting)}" if waiting else "",
        )


def _changed(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """The keys that differ."""
    for name in before.__struct_fields__:
        one, other = getattr(before, name), getattr(after, name)
        if isinstance(one, msgspec.Struct):
            yield from _changed(one, other, f"{path}{name}.")
        elif one != other:
            yield path + name
