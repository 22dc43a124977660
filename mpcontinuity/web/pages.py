"""A site of a few fixed pages for machines: GET and HEAD, no parameters, few connections."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import http

from mpcontinuity.web.channel import BoundedRequest, Channel

TEXT = "text/plain; charset=utf-8"

_REQUEST_WITHIN = 30.0  # s, from the connection or the last answer until a request is complete
_METHODS = (b"GET", b"HEAD")

_log = Logger()


@dataclass(frozen=True, slots=True)
class Answer:
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

    def connectionMade(self) -> None:  # noqa: N802
        self.factory.open.add(self)
        super().connectionMade()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        self.factory.open.discard(self)
        super().connectionLost(reason)


class PageSite(http.HTTPFactory):
    """``pages`` by path. Above ``connections`` at a time new ones are closed at once."""

    noisy = False

    def __init__(self, pages: Mapping[bytes, Page], reactor: IReactorTime, *, connections: int) -> None:
        super().__init__(timeout=_REQUEST_WITHIN, reactor=reactor)
        self.pages = pages
        self.open: set[_PageChannel] = set()
        self._most = connections
        self.protocol: Any = _PageChannel

    def buildProtocol(self, addr: IAddress | None) -> Any:  # noqa: N802
        if len(self.open) >= self._most:
            return None
        return super().buildProtocol(addr)

    def startFactory(self) -> None:  # noqa: N802
        """No access log, and so no clock for it."""

    def stopFactory(self) -> None:  # noqa: N802
        """Nothing was started."""

    def close(self) -> None:
        for channel in list(self.open):
            channel.forceAbortClient()
