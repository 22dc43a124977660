"""Answers a request by calling its operation: arguments in, rows out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec
from twisted.logger import Logger
from twisted.web import http

from mpcontinuity.admin.api import files, repetition
from mpcontinuity.admin.api.callers import Callers
from mpcontinuity.admin.api.importing import imported
from mpcontinuity.admin.api.problems import PRECONDITION_FAILED, Problem, problem_of
from mpcontinuity.admin.api.progress import JSON_LINES, lines
from mpcontinuity.admin.api.reading import LONGEST, is_csv, read, too_long
from mpcontinuity.admin.api.repetition import LONGEST_KEPT, Repetition
from mpcontinuity.admin.api.services import ApiServices
from mpcontinuity.admin.api.table import BASE, EDITED, Way
from mpcontinuity.control.heard import Heard
from mpcontinuity.control.operation import Control
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.model.errors import Refused
from mpcontinuity.web.answers import Answer, Stream
from mpcontinuity.web.asked import Asked
from mpcontinuity.web.inflow import ClientGone
from mpcontinuity.web.uploads import Upload, held, uploaded

JSON: Final = "application/json"

# What is there as a file beside its rows, by operation.
FILES: Final = {
    "archive show": (files.MESSAGE, files.message),
    "archive export": (files.MBOX, files.mbox),
}
_CHANGING: Final = frozenset(EDITED.values())

_log = Logger()

Handler = Callable[[Asked], Awaitable[Answer | Stream]]


def told(handler: Handler) -> Handler:
    """Returns the handler with all that it raises told as a problem."""

    async def safe(asked: Asked) -> Answer | Stream:
        try:
            return await handler(asked)
        except ClientGone:
            raise
        except Exception as error:
            problem = problem_of(error)
            if problem is None:
                _log.failure("a request of the API failed")
                problem = Problem(http.INTERNAL_SERVER_ERROR, "an error of the server, which its log tells of")
            return problem.answer()

    return safe


class Calls:
    """Calls operations for whoever has a token."""

    def __init__(self, services: ApiServices, callers: Callers) -> None:
        self._services = services
        self._callers = callers

    def handler(self, way: Way) -> Handler:
        """Returns what answers the requests of a way."""
        return told(partial(self._answer, way))

    async def _answer(self, way: Way, asked: Asked) -> Answer | Stream:
        bearer = await self._callers.bearer(asked)
        try:
            answer = await self._called(way, asked, replace(self._services.control, caller=bearer.caller))
        except Exception as error:
            problem = problem_of(error)
            if problem is None:
                raise
            answer = problem.answer()
        return replace(answer, fields={**bearer.fields, **answer.fields})

    async def _called(self, way: Way, asked: Asked, control: Control) -> Answer | Stream:
        if asked.pieces is None:
            return await self._once(way, asked, control)
        if not is_csv(asked):
            body = await held(asked.pieces, LONGEST)
            if body is None:
                raise too_long()
            return await self._once(way, replace(asked, body=body), control)
        upload = await uploaded(asked.pieces)
        try:  # the digest stands for it where a request is told from another
            return await self._once(way, replace(asked, body=upload.digest), control, upload)
        except BaseException:
            upload.close()
            raise

    async def _once(self, way: Way, asked: Asked, control: Control, upload: Upload | None = None) -> Answer | Stream:
        """Answers a request that is there in full, and is not done again where it has a key and was answered."""
        coming = self._coming(way, asked, upload)
        key = asked.header("idempotency-key")
        if way.method != "POST" or not key:
            return await self._done(way, asked, control, coming)
        target = asked.target.encode()
        request = repetition.of_request(
            control.caller.name, repetition.read_key(key), asked.method.encode(), target, asked.body
        )
        kept = await control.store.run(partial(repetition.begin, request=request))
        if kept is not None:
            if upload is not None:
                upload.close()
            return _again(kept)
        return await self._done_once(request, way, asked, control, coming)

    async def _done_once(
        self,
        request: Repetition,
        way: Way,
        asked: Asked,
        control: Control,
        coming: Callable[[Control], Awaitable[Any]],
    ) -> Answer | Stream:
        try:
            answer = await self._done(way, asked, control, coming)
        except Exception as error:
            if problem_of(error) is not None:  # nothing was done; after anything else nobody can tell
                await control.store.run(partial(repetition.forget, request=request))
            raise
        whole = isinstance(answer, Answer) and not way.secret and len(answer.body) <= LONGEST_KEPT
        body = answer.body.decode() if whole and isinstance(answer, Answer) else ""
        await control.store.run(partial(repetition.keep, request=request, code=answer.code, body=body))
        return answer

    def _coming(self, way: Way, asked: Asked, upload: Upload | None) -> Callable[[Control], Awaitable[Any]]:
        """What begins the operation. Raises Problem and Refused for arguments that nobody can read."""
        operation = OPERATIONS[way.operation]
        if upload is not None:
            return imported(asked, upload)
        arguments = read(way, operation, asked)
        if way.operation in _CHANGING and asked.header("if-match"):
            arguments["version"] = _version(asked.header("if-match"))
        return lambda control: operation(control, arguments)

    async def _done(
        self, way: Way, asked: Asked, control: Control, coming: Callable[[Control], Awaitable[Any]]
    ) -> Answer | Stream:
        accepted = asked.header("accept")
        if way.long:
            content_type, file = FILES.get(way.operation, ("", None))
            if file is not None and content_type in accepted:
                running = Heard(control, coming)
                await running.first()
                return Stream(file(running), content_type)
            if JSON_LINES in accepted:
                running = Heard(control, coming)
                await running.first()
                return Stream(lines(running), JSON_LINES)
        try:
            result = await coming(control)
        except Refused as refused:
            if refused.kind == "conflict" and way.operation in _CHANGING and asked.header("if-match"):
                raise Problem(PRECONDITION_FAILED, str(refused)) from None
            raise
        return _shown(way, asked, result)


def _shown(way: Way, asked: Asked, result: Any) -> Answer:
    fields: dict[bytes, bytes] = {}
    operation = OPERATIONS[way.operation]
    if way.operation in EDITED:
        tag = f'"{result.version}"'
        fields[b"etag"] = tag.encode()
        if tag in asked.header("if-none-match"):
            return Answer(msgspec.json.encode(result), http.NOT_MODIFIED, JSON, fields)  # its length; no body is sent
    if operation.cursor and result:
        following = _following(way, asked, result)
        if following:
            fields[b"link"] = f'<{following}>; rel="next"'.encode()
    return Answer(msgspec.json.encode(result), way.code, JSON, fields)


def _following(way: Way, asked: Asked, rows: list[Any]) -> str:
    """The path of the next page; empty where this is the last."""
    operation = OPERATIONS[way.operation]
    default = next(each.default for each in msgspec.structs.fields(operation.arguments) if each.name == "limit")
    if len(rows) < int(asked.query.get("limit") or default):
        return ""
    pairs = [(name, value) for name in asked.query if name != "after" for value in asked.query.all(name)]
    last = operation.after(msgspec.to_builtins(rows[-1]))
    return f"{path_of(way, asked.parts)}?{urlencode([*pairs, ('after', last)])}"


def path_of(way: Way, parts: Mapping[str, str]) -> str:
    """Returns the path of a way with its arguments."""
    path = way.path
    for name, value in parts.items():
        path = path.replace(f"{{{name}}}", quote(value, safe="@"))
    return BASE + path


def _version(header: str) -> str:
    """The version that If-Match names (RFC 9110 §13.1.1); empty for any. Raises Problem."""
    tag = header.strip()
    if tag == "*":
        return ""
    if len(tag) < 3 or tag[0] != '"' or tag[-1] != '"' or '"' in tag[1:-1]:
        raise Problem(PRECONDITION_FAILED, "If-Match: give the one ETag that was shown, in its quotes")
    return tag[1:-1]


def _again(kept: repetition.Kept) -> Answer:
    """What was answered before."""
    if not kept.body:
        raise Problem(
            http.CONFLICT, "Idempotency-Key: it was done; its answer is not kept, because it is long or has a secret"
        )
    return Answer(kept.body.encode(), kept.code, JSON, {b"idempotency-replayed": b"true"})
