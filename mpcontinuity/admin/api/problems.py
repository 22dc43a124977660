"""Errors of the API: RFC 9457, ``application/problem+json``, with a ``kind`` that programs can tell apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import msgspec
from twisted.web import http

from mpcontinuity.control.operation import reason
from mpcontinuity.model.errors import Hint, Kind, Refused, Stopping, Temporary
from mpcontinuity.web.answers import CODES, Answer
from mpcontinuity.web.headers import DATA
from mpcontinuity.web.languages import Language

CONTENT_TYPE: Final = "application/problem+json"
AGAIN_AFTER: Final = 30  # s, where something cannot be done now

UNPROCESSABLE, TOO_MANY, PRECONDITION_FAILED = 422, 429, 412

_TITLES: Final[Mapping[int, str]] = {UNPROCESSABLE: "Unprocessable Content", TOO_MANY: "Too Many Requests"}
# What is none of an operation's refusals (model/errors.py), by status.
_KINDS: Final[Mapping[int, str]] = {
    http.UNAUTHORIZED: "unauthorized",
    http.FORBIDDEN: "forbidden",
    http.NOT_FOUND: "unknown",
    http.CONFLICT: "conflict",
    PRECONDITION_FAILED: "conflict",
    TOO_MANY: "limited",
    http.SERVICE_UNAVAILABLE: "unavailable",
    http.INTERNAL_SERVER_ERROR: "failed",
}


class Problem(Exception):
    """An answer that says why a request cannot be done: a status code, a sentence, and header fields beside it."""

    def __init__(
        self, code: int, detail: str, *, kind: Kind | None = None, fields: Mapping[bytes, bytes] | None = None
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.kind = kind or _KINDS.get(code, "invalid")
        self.fields = fields or {}
        self.hint: Hint | None = None
        self.field = ""  # the argument that is wrong

    def told(self) -> dict[str, Any]:
        """Returns the members of the problem, as values of JSON."""
        told: dict[str, Any] = {
            "type": "about:blank",
            "title": _TITLES.get(self.code) or http.RESPONSES.get(self.code, b"Error").decode(),
            "status": self.code,
            "detail": self.detail,
            "kind": self.kind,
        }
        if self.field:
            told["field"] = self.field
        if self.hint is not None:
            told["hint"] = msgspec.to_builtins(self.hint)
        return told

    def answer(self) -> Answer:
        """Returns the problem as an answer."""
        return Answer(msgspec.json.encode(self.told()), self.code, CONTENT_TYPE, self.fields)


def problem_of(error: Exception) -> Problem | None:
    """Returns the problem that an error is told as; None for one that nobody expected."""
    match error:
        case Problem():
            return error
        case Refused():
            problem = Problem(CODES[error.kind], reason(error), kind=error.kind)
            problem.hint, problem.field = error.hint, error.field
            return problem
        case Temporary() | Stopping():
            again = {b"retry-after": b"%d" % AGAIN_AFTER}
            return Problem(http.SERVICE_UNAVAILABLE, reason(error), fields=again)
    return None


def _explain(code: int, sentence: str, language: Language) -> Answer:
    return Problem(code, sentence).answer()


GUARDS: Final = replace(DATA, explain=_explain)
