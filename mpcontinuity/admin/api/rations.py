"""What each token may ask in a time, and how its bearer is told (draft-ietf-httpapi-ratelimit-headers).

It keeps a program that has gone wild from the time of all others. Each process counts for itself: what a host may ask
of all of them is bounded beneath (model/rations.py), and told beside it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from math import ceil
from typing import Final

from mpcontinuity.model.rations import Left

QUOTA: Final = 600  # requests of a token in WINDOW: ten a second
WINDOW: Final = 60  # s
_EACH: Final = WINDOW / QUOTA  # s
_ROUNDING: Final = 1e-6  # s: more than the sum of many floats is wrong by
REMEMBERED: Final = 10_000  # tokens; one that is forgotten begins with its whole quota


class TokenRations:
    """Counts the requests of tokens, in the reactor thread. ``seconds`` is a clock that nobody sets."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._full: OrderedDict[int, float] = OrderedDict()  # when the quota of a token is whole again

    def spend(self, token: int, host: Left | None = None) -> tuple[bool, Mapping[bytes, bytes]]:
        """Counts a request. Returns whether it may be done, and header fields that say what is left, to the token and
        to the ``host`` that it came from, where that is rationed."""
        now = self._seconds()
        full = max(self._full.pop(token, now), now)
        taken = full - now <= WINDOW - _EACH + _ROUNDING
        if taken:
            full += _EACH
        self._full[token] = full
        if len(self._full) > REMEMBERED:
            self._full.popitem(last=False)
        owed = full - now
        left = int((WINDOW - owed + _ROUNDING) / _EACH)
        fields = {
            b"ratelimit-policy": b'"token";q=%d;w=%d' % (QUOTA, WINDOW),
            b"ratelimit": b'"token";r=%d;t=%d' % (left, ceil(owed - _ROUNDING)),
        }
        if host is not None:
            fields[b"ratelimit-policy"] += b', "host";q=%d;w=%d' % (host.quota, host.window)
            fields[b"ratelimit"] += b', "host";r=%d;t=%d' % (host.left, host.whole)
        if not taken:
            fields[b"retry-after"] = b"1"
        return taken, fields
