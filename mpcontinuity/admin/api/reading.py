"""Reads the arguments of an operation from a request: from its path, its query, or the JSON of its body.

What the types of the arguments do not allow is refused by the operation itself (control/operation.py), in the words
that the command line has for it too. Here is what JSON and a query leave open: a name twice, numbers beyond all bounds,
text that is no Unicode.
"""

from __future__ import annotations

import json
import types
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

import msgspec
from twisted.web import http

from mpcontinuity.admin.api.problems import Problem
from mpcontinuity.admin.api.table import Way
from mpcontinuity.control.operation import Operation
from mpcontinuity.model.errors import Refused
from mpcontinuity.web.asked import Asked, Fields

LONGEST: Final = 64 * 1024  # octets of a body of JSON: 500 ids have 8,000, and it is read in 1 ms
DEEPEST: Final = 20  # levels of nesting: arguments have three

_JSON: Final = "application/json"
_CSV: Final = "text/csv"


def read(way: Way, operation: Operation, asked: Asked) -> dict[str, Any]:
    """Returns the arguments that a request gives. Raises Problem or Refused for what nobody can read."""
    inner = read_body(asked) if way.writes else _read_query(operation, asked.query)
    twice = sorted(set(inner) & set(asked.parts))
    if twice:
        raise Refused(f"{twice[0]}: is in the path already", field=twice[0])
    for name, text in asked.parts.items():
        _refuse_control(name, text, name)
    return {**inner, **asked.parts}


def media_type(asked: Asked) -> str:
    """Returns the media type of the body, in lower case without its parameters."""
    return asked.header("content-type").partition(";")[0].strip().lower()


def is_csv(asked: Asked) -> bool:
    """Says whether the body is a file of users, and no JSON."""
    return media_type(asked) == _CSV


def read_body(asked: Asked) -> dict[str, Any]:
    """Returns the object that the body is, empty for no body. Raises Problem and Refused."""
    if not asked.body:
        return {}
    if media_type(asked) != _JSON:
        raise Problem(http.UNSUPPORTED_MEDIA_TYPE, f"the body must be {_JSON}")
    if len(asked.body) > LONGEST:
        raise too_long()
    return read_object(asked.body)


def too_long() -> Problem:
    """Returns what is said of a body of JSON that is longer than `LONGEST`."""
    return Problem(http.REQUEST_ENTITY_TOO_LARGE, f"a body of {_JSON} has up to {LONGEST} octets")


def read_object(octets: bytes) -> dict[str, Any]:
    """Returns the object that JSON (RFC 8259) gives, in which no name is twice. Raises Refused."""
    try:
        value = json.loads(octets.decode(), object_pairs_hook=_object, parse_constant=_no_number)
    except RecursionError:
        raise Refused(f"JSON: is nested deeper than {DEEPEST} levels") from None
    except ValueError as error:  # also what is no UTF-8, and numbers of thousands of digits
        raise Refused(f"JSON: {error}") from None
    _refuse_unusual(value)
    if not isinstance(value, dict):
        raise Refused("JSON: an object is expected, whose names are the arguments")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        name = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"{name!r} is there twice")
    return found


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")


def _refuse_unusual(value: Any) -> None:
    """Raises Refused for deep nesting, and for text that no store can keep."""
    level: list[Any] = [value]
    for _ in range(DEEPEST):
        if not level:
            return
        below: list[Any] = []
        for each in level:
            if isinstance(each, str):
                _refuse_control("JSON", each)
            elif isinstance(each, list):
                below += each
            elif isinstance(each, dict):
                below += each.keys()
                below += each.values()
        level = below
    raise Refused(f"JSON: is nested deeper than {DEEPEST} levels")


def _refuse_control(what: str, text: str, field: str = "") -> None:
    if "\0" in text:
        raise Refused(f"{what}: has a NUL in it", field=field)
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise Refused(f"{what}: has half of a pair of surrogates in it, which is no character", field=field)


@cache
def _types(arguments: type) -> dict[str, Any]:
    """By the names of the arguments: there are as many as operations, and each takes 0.1 ms to be found out."""
    return get_type_hints(arguments)


def _read_query(operation: Operation, query: Fields) -> dict[str, Any]:
    hints = _types(operation.arguments)
    found: dict[str, Any] = {}
    for name in query:
        if name not in hints:
            known = ", ".join(hints)
            raise Refused(f"{name[:40]}: no such argument; there are {known}")
        for text in query.all(name):
            _refuse_control(name, text, name)
        found[name] = _value(name, hints[name], query.all(name))
    return found


def _value(name: str, hint: Any, texts: list[str]) -> Any:
    kinds = set(_alternatives(hint))
    if any(get_origin(kind) is list for kind in kinds):
        return texts
    if len(texts) > 1:
        raise Refused(f"{name}: is there {len(texts)} times", field=name)
    for kind in (bool, int):
        if kind in kinds:
            try:
                return msgspec.convert(texts[0], kind, strict=False)
            except msgspec.ValidationError:
                expected = "true or false" if kind is bool else "a whole number"
                raise Refused(f'{name}: "{texts[0][:40]}": must be {expected}', field=name) from None
    return texts[0]


def _alternatives(hint: Any) -> Iterable[Any]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def only(given: Mapping[str, Any], name: str, kind: type) -> Any:
    """Returns the one value that an object has to have, by its name. Raises Refused."""
    if set(given) != {name} or type(given[name]) is not kind:
        raise Refused(f'an object with "{name}" alone is expected')
    return given[name]
