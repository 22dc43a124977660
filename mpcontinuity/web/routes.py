"""A site of pages for people, by path and method, with forms: what a browser is told to do with each, and not to do.

Each route says how large a form may be. Nothing here keeps or logs what stands behind a route in the path, since that
may be a secret.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from twisted.internet.interfaces import IReactorTime
from twisted.web import http

from mpcontinuity.model.rations import Rations
from mpcontinuity.web.answers import Answer, AnsweredRequest
from mpcontinuity.web.channel import REQUEST_WITHIN, Channel, Site
from mpcontinuity.web.form import BadForm, read_form

HTML: Final = "text/html; charset=utf-8"

_TOO_MANY: Final = 429  # RFC 6585 §4

_FORM: Final = b"application/x-www-form-urlencoded"

# No script, no frame, nothing from elsewhere (Content Security Policy 3), and no other site hears where one came from:
# a path may be a secret.
_GUARDS: Final = {
    b"content-security-policy": b"default-src 'none'; style-src 'self'; form-action 'self'; "
    b"frame-ancestors 'none'; base-uri 'none'",
    b"referrer-policy": b"no-referrer",
    b"x-frame-options": b"DENY",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"x-robots-tag": b"noindex",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client asks of a page: ``rest`` is what the path has behind the route, ``form`` the fields of a POST, and
    ``peer`` the client's IP address."""

    rest: str
    peer: str
    form: Mapping[str, str] = field(default_factory=dict)


Page = Callable[[Asked], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Route:
    """A page by GET, and what takes its form by POST, of ``longest`` octets; None where it has none."""

    get: Page
    post: Page | None = None
    longest: int = 0

    @property
    def methods(self) -> tuple[bytes, ...]:
        """The methods that it knows."""
        return (b"GET", b"HEAD") if self.post is None else (b"GET", b"HEAD", b"POST")


class _RoutedRequest(AnsweredRequest):
    channel: Any

    _route: Route | None = None
    _base = b""  # of the path: the part that names the route

    def gotLength(self, length: int | None) -> None:  # noqa: N802
        """Finds the route, which says how long the body may be."""
        self._parsePOSTFormSubmission = False  # twisted.web has a reader of its own, which bounds nothing
        path: bytes = self.channel._path.partition(b"?")[0]
        self._base, self._route = self.channel.factory.route(path)
        posts = self._route is not None and self.channel._command == b"POST"
        self.longest = self._route.longest if self._route is not None and posts else 0
        super().gotLength(length)

    def process(self) -> None:
        if not self.channel.share.commands():
            self.send(Answer(b"too many requests; come again in a minute\n", _TOO_MANY))
        elif self._route is None:
            self.send(Answer(b"there is no such page\n", http.NOT_FOUND))
        elif self.method == b"POST" and self._route.post is not None:
            self._post(self._route.post)
        elif self.method in (b"GET", b"HEAD"):
            self.answer_with(self._route.get(self._asked({})))
        else:
            self.not_allowed(*self._route.methods)

    def _post(self, page: Page) -> None:
        kind = (self.requestHeaders.getRawHeaders(b"content-type") or [b""])[0].partition(b";")[0].strip().lower()
        if kind != _FORM:
            self.send(Answer(b"a form is expected\n", http.UNSUPPORTED_MEDIA_TYPE))
            return
        content: Any = self.content
        try:
            form = read_form(content.getvalue())
        except BadForm:
            self.send(Answer(b"not a form\n", http.BAD_REQUEST))
            return
        self.answer_with(page(self._asked(form)))

    def _asked(self, form: Mapping[str, str]) -> Asked:
        rest = self.path[len(self._base) :].decode("ascii", "replace")
        return Asked(rest, self.channel.peer, form)

    @property
    def shown(self) -> str:
        return repr(self._base)

    def send(self, answer: Answer) -> None:
        for name, value in _GUARDS.items():
            self.setHeader(name, value)
        super().send(answer)


class _RoutedChannel(Channel):
    factory: RoutedSite
    requestFactory = _RoutedRequest  # noqa: N815

    def connectionMade(self) -> None:  # noqa: N802
        super().connectionMade()
        transport: Any = self.transport
        self.peer = getattr(transport.getPeer(), "host", "")
        self.share = self.factory.rations.share_of(self.peer)


class RoutedSite(Site):
    """Serves ``routes`` by path. A path that ends in ``/`` stands for all that have one more part behind it."""

    def __init__(self, routes: Mapping[bytes, Route], reactor: IReactorTime, rations: Rations, *, most: int) -> None:
        """``most`` is the number of connections at a time; ``rations`` bounds what a host may ask."""
        super().__init__(_RoutedChannel, reactor, within=REQUEST_WITHIN, most=most)
        self._routes = routes
        self.rations = rations

    def route(self, path: bytes) -> tuple[bytes, Route | None]:
        """Returns the route of a path and the part of the path that names it; None where there is none."""
        base = path if path in self._routes else path[: path.rfind(b"/") + 1]
        return base, self._routes.get(base) if base != b"/" or path == b"/" else None
