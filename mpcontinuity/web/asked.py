"""What a client asks for: a request as pages see it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from mpcontinuity.model.rations import Left
from mpcontinuity.web.inflow import Inflow
from mpcontinuity.web.languages import ENGLISH, Language

_NONE: Final[tuple[str, ...]] = ()


class Fields:
    """The fields of a form or a query by name, each with one value or more. What is not there is an empty text."""

    __slots__ = ("_values",)

    def __init__(self, pairs: list[tuple[str, str]] | None = None) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs or ():
            self._values.setdefault(name, []).append(value)

    def get(self, name: str, default: str = "") -> str:
        """Returns the first value of a field, or ``default``."""
        return next(iter(self._values.get(name, _NONE)), default)

    def all(self, name: str) -> list[str]:
        """Returns all values of a field, in their order."""
        return list(self._values.get(name, _NONE))

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __bool__(self) -> bool:
        return bool(self._values)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request. ``target`` is the path as it was sent, with its query. ``parts`` are the parts of the path that the
    route names, ``query`` the fields of the query.

    ``form`` has the fields of a form, and ``body`` what was sent in full. ``pieces`` gives it as it comes instead, by
    ``async for``, where the route says so, and raises ClientGone (web/inflow.py) where its end does not come.
    ``cookies`` are those that this server set, by their names without the prefix (web/cookies.py). ``peer`` is the
    client's IP address. ``host`` is the Host header, which anybody may have made up: no link that leaves this page is
    made of it. ``headers`` are in lower case. ``left`` is what the client's host may still ask, None for as much as it
    likes. ``language`` is what the browser wishes, or was told before.
    """

    method: str
    path: str
    target: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)
    query: Fields = field(default_factory=Fields)
    form: Fields = field(default_factory=Fields)
    body: bytes = b""
    pieces: Inflow | None = None
    cookies: Mapping[str, str] = field(default_factory=dict)
    peer: str = ""
    host: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    left: Left | None = None
    language: Language = ENGLISH

    def header(self, name: str) -> str:
        """Returns a header field, the last of that name; empty where there is none."""
        return self.headers.get(name.lower(), "")
