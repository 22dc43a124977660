"""What a page answers, and how that is sent: the same for pages for machines and for people."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import http

from mpcontinuity.web.channel import BoundedRequest

TEXT: Final = "text/plain; charset=utf-8"

_log = Logger()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a page answers: octets, their type, HTTP's status code, and header fields beside those of every answer."""

    body: bytes
    code: int = 200
    content_type: str = TEXT
    fields: Mapping[bytes, bytes] = field(default_factory=dict)


class AnsweredRequest(BoundedRequest):
    """A request that is answered by an `Answer`, of which the client may be gone when it is there."""

    def answer_with(self, coming: Awaitable[Answer]) -> None:
        """Sends the answer once it is there; where it fails, an error that tells nothing, beside a line in the log."""
        Deferred.fromCoroutine(self._answer(coming)).addErrback(self._failed)

    async def _answer(self, coming: Awaitable[Answer]) -> None:
        self.send(await coming)

    def _failed(self, failure: Failure) -> None:
        _log.failure("page {page} failed", failure, page=self.shown)
        if not self.startedWriting:
            self.send(Answer(b"an error of the server, which its log tells of\n", http.INTERNAL_SERVER_ERROR))

    @property
    def shown(self) -> str:
        """How the log calls the page."""
        return repr(self.path)

    def not_allowed(self, *methods: bytes) -> None:
        """Says which methods the page has."""
        said = b" or ".join(methods) + b"\n"
        self.send(Answer(said, http.NOT_ALLOWED, fields={b"allow": b", ".join(methods)}))

    def send(self, answer: Answer) -> None:
        """Sends the answer, and ends the request."""
        if self._disconnected:  # the client has gone meanwhile
            return
        self.setResponseCode(answer.code)
        self.setHeader(b"content-type", answer.content_type.encode())
        self.setHeader(b"content-length", b"%d" % len(answer.body))
        self.setHeader(b"cache-control", b"no-store")
        self.setHeader(b"x-content-type-options", b"nosniff")
        for name, value in answer.fields.items():
            self.setHeader(name, value)
        if self.method != b"HEAD":
            self.write(answer.body)
        self.finish()
