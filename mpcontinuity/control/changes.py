"""Who changed what: a line for each operation that may change something, whether it was done or refused, and for all
that a caller may not do.

A running server writes it into its log; a command that opened the store itself tells the system's log, which has the
server's too where systemd runs it. The audit trail (accounts/audit.py) has it for a year.
"""

from __future__ import annotations

import syslog
from collections.abc import Mapping
from itertools import islice
from typing import Any

import msgspec
from twisted.logger import Logger

from mpcontinuity.model import identifier
from mpcontinuity.model.address import BadAddress, parse
from mpcontinuity.model.hosts import without_password
from mpcontinuity.model.visible import visible
from mpcontinuity.webhooks import hooks

_LONGEST_VALUE = 200  # characters
_MOST_LISTED = 50
LONGEST = 1000  # altogether: a line of an import has many users
_SECRET = frozenset({"password", "old", "token", "code"})
NOT_TOLD = "…"

_log = Logger()


class Change(msgspec.Struct, frozen=True):
    """What somebody changed, or was refused.

    ``by`` is the name that they give themselves, ``origin`` what the system says of them, ``object`` the arguments of
    the operation, and ``outcome`` "done", or "refused: " and why.
    """

    by: str
    origin: str
    operation: str
    object: str
    outcome: str


def change(by: str, origin: str, operation: str, arguments: Mapping[str, Any], outcome: str) -> Change:
    """Makes a change of an operation's arguments, without secrets and with all that is long cut."""
    some = islice(arguments.items(), _MOST_LISTED)
    said = " ".join(_said(name, value) for name, value in some if value not in (None, "", [], {}))
    return Change(cut(by), origin, operation, said[:LONGEST], cut(outcome))


def _said(name: str, value: Any) -> str:
    if name == "url":  # its path may be as good as a password
        return cut(f"url={hooks.host(str(value))}")
    if name in _SECRET:
        return f"{name}={NOT_TOLD}"
    if name == "id" and not _is_id(value):  # who means to remove a token may give the token itself
        return f"{name}={NOT_TOLD}"
    if isinstance(value, Mapping):
        return " ".join(_said(str(key), each) for key, each in islice(value.items(), _MOST_LISTED))
    if isinstance(value, list):
        return ",".join(cut(_whom(each) if isinstance(each, Mapping) else str(each)) for each in value[:_MOST_LISTED])
    return cut(without_password(f"{name}={value}"))


def _whom(line: Mapping[str, Any]) -> str:
    """Whom a line of an import is about. What is no address may be the whole line of the file, with a password."""
    text = str(line.get("address", ""))
    try:
        return parse(text.strip()).text
    except BadAddress:
        return NOT_TOLD


def _is_id(value: Any) -> bool:
    try:
        identifier.parse(str(value))
    except ValueError:
        return False
    return True


def cut(text: str, longest: int = _LONGEST_VALUE) -> str:
    """Returns the text, cut where it is longer than that many characters."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def to_log(change: Change) -> None:
    """Writes a change into the log."""
    _log.info("{by} ({origin}): {operation} {object}: {outcome}", **msgspec.structs.asdict(change))


def to_syslog(change: Change) -> None:
    """Writes a change into the system's log, where the machine has one."""
    syslog.openlog("mpcontinuity", syslog.LOG_PID, syslog.LOG_AUTH)
    text = f"{change.by} ({change.origin}): {change.operation} {change.object}: {change.outcome}"
    syslog.syslog(syslog.LOG_NOTICE, visible(text))
