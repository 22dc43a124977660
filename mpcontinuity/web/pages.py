"""A site of a few fixed pages for machines: GET and HEAD, no parameters, few connections."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from twisted.internet.interfaces import IReactorTime
from twisted.web import http

from mpcontinuity.web.answers import Answer, AnsweredRequest
from mpcontinuity.web.channel import REQUEST_WITHIN, Channel, Site

_METHODS = (b"GET", b"HEAD")

Page = Callable[[], Awaitable[Answer]]


class _PageRequest(AnsweredRequest):
    def process(self) -> None:
        page = self.channel.factory.pages.get(self.path)
        if page is None:
            self.send(Answer(b"there is no such page\n", http.NOT_FOUND))
        elif self.method not in _METHODS:
            self.not_allowed(*_METHODS)
        else:
            self.answer_with(page())


class _PageChannel(Channel):
    factory: PageSite
    requestFactory = _PageRequest  # noqa: N815


class PageSite(Site):
    """Serves ``pages`` by path, to at most ``connections`` clients at a time."""

    def __init__(self, pages: Mapping[bytes, Page], reactor: IReactorTime, *, connections: int) -> None:
        super().__init__(_PageChannel, reactor, within=REQUEST_WITHIN, most=connections)
        self.pages = pages
