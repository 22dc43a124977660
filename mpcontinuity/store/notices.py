"""The wire form of notices: what a commit announces, as text for other processes (design 6)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields
from typing import Any, get_args

import msgspec

from mpcontinuity.model.events import Everything, Notice

_LONGEST = 7500  # octets of a payload; PostgreSQL allows 8,000
_MOST = 20  # payloads at a time: beyond that, 'anything may have changed' is less to send and less to do

_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(Notice)}
_NAMES = {kind: [field.name for field in fields(kind)] for kind in _KINDS.values()}

EVERYTHING: Sequence[Notice] = [Everything()]


def encode(sender: int, notices: Iterable[Notice]) -> list[str]:
    """Returns the payloads that carry the notices: JSON ``[sender, [name, field, …], …]``, each below 8,000 octets.

    Notices that would take too many payloads, and one that would not fit into any, become a single `Everything`.
    """
    payloads: list[str] = []
    begin = f"[{sender}"
    parts: list[str] = []
    length = len(begin) + 1
    for notice in notices:
        part = msgspec.json.encode([type(notice).__name__, *astuple(notice)]).decode()
        if len(part) + len(begin) + 2 > _LONGEST:
            return encode(sender, EVERYTHING)
        if length + len(part) + 1 > _LONGEST:
            payloads.append(",".join([begin, *parts]) + "]")
            parts, length = [], len(begin) + 1
        parts.append(part)
        length += len(part) + 1
    if parts:
        payloads.append(",".join([begin, *parts]) + "]")
    return payloads if len(payloads) <= _MOST else encode(sender, EVERYTHING)


def decode(payload: str | bytes) -> tuple[int, Sequence[Notice]]:
    """Returns the sender and the notices of a payload.

    A payload that cannot be read, as a newer version may send it, gives `Everything` (anything may have changed) from
    the sender 0.
    """
    try:
        sender, *parts = msgspec.json.decode(payload)
        return int(sender), [_notice(*part) for part in parts]
    except (msgspec.DecodeError, msgspec.ValidationError, KeyError, TypeError, ValueError):
        return 0, EVERYTHING


def _notice(name: str, *values: Any) -> Notice:
    kind = _KINDS[name]
    notice: Notice = msgspec.convert(dict(zip(_NAMES[kind], values, strict=True)), kind)
    return notice
