"""A site of a few fixed pages for machines: GET and HEAD, no parameters, few connections."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import http

from mpcontinuity.web.channel import BoundedRequest, Channel, Site

TEXT = "text/plain; charset=utf-8"

_REQUEST_WITHIN = 30.0  # s, from the connection or the last answer until a request is complete
_METHODS = (b"GET", b"HEAD")

_log = Logger()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a page answers: octets, their type and HTTP's status code."""

    body: bytes
    code: int = 200
    content_type: str = TEXT


Page = Callable[[], Awaitable[Answer]]


class _PageRequest(BoundedRequest):
    def process(self) -> None:
        page = self.channel.factory.pages.get(self.path)
        if page is None:
            self._send(Answer(b"there is no such page\n", http.NOT_FOUND))
        elif self.method not in _METHODS:
            self.setHeader(b"allow", b", ".join(_METHODS))
            self._send(Answer(b"GET or HEAD\n", http.NOT_ALLOWED))
        else:
            Deferred.fromCoroutine(self._answer(page)).addErrback(self._failed)

    async def _answer(self, page: Page) -> None:
        self._send(await page())

    def _failed(self, failure: Failure) -> None:
        _log.failure("page {path} failed", failure, path=repr(self.path))
        if not self.startedWriting:
            self._send(Answer(b"an error of the server, which its log tells of\n", http.INTERNAL_SERVER_ERROR))

    def _send(self, answer: Answer) -> None:
        if self._disconnected:  # the client has gone meanwhile
            return
        self.setResponseCode(answer.code)
        self.setHeader(b"content-type", answer.content_type.encode())
        self.setHeader(b"content-length", b"%d" % len(answer.body))
        self.setHeader(b"cache-control", b"no-store")
        self.setHeader(b"x-content-type-options", b"nosniff")
        if self.method != b"HEAD":
            self.write(answer.body)
        self.finish()


class _PageChannel(Channel):
    factory: PageSite
    requestFactory = _PageRequest  # noqa: N815


class PageSite(Site):
    """Serves ``pages`` by path, to at most ``connections`` clients at a time."""

    def __init__(self, pages: Mapping[bytes, Page], reactor: IReactorTime, *, connections: int) -> None:
        super().__init__(_PageChannel, reactor, within=_REQUEST_WITHIN, most=connections)
        self.pages = pages
