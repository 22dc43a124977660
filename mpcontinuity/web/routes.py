"""A site of pages by method and path: what each is asked, how large a body may be, and what every answer says.

Each route says how large a body may be, which is known before anything of it is kept. Nothing here keeps or logs what
stands in a path beyond the rule of its route, since that may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import unquote

from twisted.internet.interfaces import IReactorTime
from twisted.web import http
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import BaseConverter, Map, Rule

from mpcontinuity.model.hosts import contains
from mpcontinuity.model.rations import Rations, Share
from mpcontinuity.model.settings import Network
from mpcontinuity.web import language_choice
from mpcontinuity.web.answers import Answer, AnsweredRequest, Stream
from mpcontinuity.web.asked import Asked, Fields
from mpcontinuity.web.channel import REQUEST_WITHIN, Channel, Site
from mpcontinuity.web.cookies import read_cookies
from mpcontinuity.web.form import BadForm, read_form
from mpcontinuity.web.headers import FILES, PAGES, Guards
from mpcontinuity.web.language_choice import LanguageChoice
from mpcontinuity.web.languages import COOKIE, ENGLISH, Language, Languages, marked
from mpcontinuity.web.static import answers, in_encoding

_TOO_MANY: Final = 429  # RFC 6585 §4
_FORM: Final = "application/x-www-form-urlencoded"
_CHANGING: Final = ("POST", "PUT", "PATCH")
_NO_METHOD: Final = "(NONE)"  # that no route has

Handler = Callable[[Asked], Awaitable[Answer | Stream]]


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """What answers one method of the paths of a rule, as werkzeug.routing has it: ``/admin/domain/<domain>/``.

    ``method`` GET answers HEAD as well. ``handler`` is a coroutine function of an `Asked`. A body has up to ``longest``
    octets. Where ``pieces`` is set it is not held in memory, and ``Asked.pieces`` gives it as it comes.
    ``guards`` are the header fields of its answers, and say whether a body that is held has to be a form.
    """

    method: str
    path: str
    handler: Handler
    longest: int = 0
    guards: Guards = PAGES
    pieces: bool = False


class _AnyCase(BaseConverter):
    """One word in a rule that is known in any case: ``<anycase("autodiscover"):folder>``."""

    def __init__(self, rules: Map, word: str) -> None:
        super().__init__(rules)
        self.regex = f"(?i:{re.escape(word)})"


class _Rule(Rule):
    """A rule by which a path is read, and none is ever built: to compile what builds takes ten times as long."""

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        return _build_nothing


def _build_nothing(*_: object, **__: object) -> tuple[str, str]:
    raise NotImplementedError


class Routes:
    """Finds the route of a request."""

    def __init__(self, routes: Sequence[Route]) -> None:
        rules = [_Rule(route.path, methods=[route.method], endpoint=route) for route in routes]
        kinds = {"anycase": _AnyCase}
        self._map = Map(rules, converters=kinds, strict_slashes=False, merge_slashes=False, redirect_defaults=False)
        self._bound = self._map.bind("")
        self._guards: dict[str, Guards] = {}
        for route in routes:
            self._guards.setdefault(_first_part(route.path), route.guards)

    def find(self, method: str, path: bytes) -> tuple[Route, dict[str, Any]]:
        """Returns the route, with the parts of the path that its rule names. Raises NotFound and MethodNotAllowed."""
        try:
            text = unquote(path.decode("ascii"), errors="strict")
        except UnicodeDecodeError:
            raise NotFound from None
        if not text.startswith("/") or text.startswith("//") or "\0" in text:
            raise NotFound
        # werkzeug compares methods in capitals; they are as they are (RFC 9110 §9.1).
        route, parts = self._bound.match(text, method if method == method.upper() else _NO_METHOD)
        return route, dict(parts)

    def guards(self, path: bytes) -> Guards:
        """Returns the guards of a path that may have no route: those of the first route whose path begins alike."""
        return self._guards.get(_first_part(path.decode("ascii", "replace")), PAGES)


def _first_part(path: str) -> str:
    return path[1:].partition("/")[0]


class _RoutedRequest(AnsweredRequest):
    channel: Any

    _route: Route | None = None
    _parts: Mapping[str, str] = {}
    _allowed: Sequence[str] = ()
    _guards = PAGES
    _place = ""  # the first part of the path

    def gotLength(self, length: int | None) -> None:  # noqa: N802
        """Finds the route, which says how long the body may be."""
        self._parsePOSTFormSubmission = False  # twisted.web has a reader of its own, which bounds nothing
        method: str = self.channel._command.decode("ascii", "replace")
        path, routes = self.channel._path.partition(b"?")[0], self.channel.factory.routes
        self._place, self._guards = _first_part(path.decode("ascii", "replace")), routes.guards(path)
        try:
            self._route, self._parts = routes.find(method, path)
            self._guards = self._route.guards
        except MethodNotAllowed as error:
            self._allowed = sorted(error.valid_methods or ())
        except NotFound:
            pass
        if self._route is not None and method in _CHANGING:
            self.longest, self.in_pieces = self._route.longest, self._route.pieces
        super().gotLength(length)

    def process(self) -> None:
        route = self._route
        if not self._within_rations():
            answer = self._explain(_TOO_MANY, marked("Too many requests. Please come again in a minute."))
            self.send(replace(answer, fields={**answer.fields, b"retry-after": b"60"}))
        elif self._allowed and self.method == b"OPTIONS":
            allowed = ", ".join(sorted({*self._allowed, "OPTIONS"}))
            self.send(Answer(b"", fields={b"allow": allowed.encode()}))
        elif self._allowed:
            self.not_allowed(*(method.encode() for method in self._allowed))
        elif route is None:
            self.send(self._explain(http.NOT_FOUND, marked("There is no such page.")))
        else:
            self._hand_over(route)

    def _within_rations(self) -> bool:
        peer = self._peer()
        if peer == self.channel.peer:
            return bool(self.channel.share.commands())
        return bool(self._share(peer).request())

    def _share(self, peer: str) -> Share:
        share: Share = self.channel.share if peer == self.channel.peer else self.channel.factory.rations.share_of(peer)
        return share

    def _hand_over(self, route: Route) -> None:
        content: Any = self.content
        body, form = content.getvalue(), Fields()
        kind = self._header("content-type").partition(";")[0].strip().lower()
        if body and kind != _FORM and route.guards.forms:  # a body in pieces is not among these
            self.send(self._explain(http.UNSUPPORTED_MEDIA_TYPE, marked("A form is expected.")))
            return
        try:
            query = read_form(self.uri.partition(b"?")[2])
            if kind == _FORM and body:
                form = read_form(body)
        except BadForm:
            self.send(self._explain(http.BAD_REQUEST, marked("This cannot be read as a form.")))
            return
        asked = Asked(
            method=self.method.decode(),
            path=self.path.decode("ascii"),
            target=self.uri.decode("ascii", "replace"),
            parts=self._parts,
            query=query,
            form=form,
            body=body,
            pieces=self.inflow,
            cookies=read_cookies(self._header("cookie")),
            peer=self._peer(),
            host=self._header("host"),
            headers=self._headers(),
            left=self._share(self._peer()).left(),
            language=self.language,
        )
        self.answer_with(route.handler(asked))

    def _headers(self) -> dict[str, str]:
        every: Iterable[tuple[bytes, Sequence[bytes]]] = self.requestHeaders.getAllRawHeaders()
        return {name.decode("latin-1").lower(): values[-1].decode("latin-1") for name, values in every}

    def _header(self, name: str) -> str:
        values = self.requestHeaders.getRawHeaders(name.encode()) or [b""]
        return values[-1].decode("latin-1")

    def _peer(self) -> str:
        """Who asks: the client of this connection or, where that is a proxy of ours, whom the proxy names last."""
        peer: str = self.channel.peer
        proxies = self.channel.factory.proxies
        named = [each.strip() for each in self._header("x-forwarded-for").split(",")]
        while named and contains(proxies, peer):
            client = named.pop()
            if not _is_address(client):
                break
            peer = client
        return peer

    @property
    def language(self) -> Language:
        site: RoutedSite = self.channel.factory
        if self._place in site.in_english:
            return ENGLISH
        chosen = read_cookies(self._header("cookie")).get(COOKIE, "")
        return site.languages.of(chosen, self._header("accept-language"))

    def explain(self, code: int, sentence: str) -> Answer:
        return self._guards.explain(code, sentence, self.language)

    def _explain(self, code: int, text: str) -> Answer:
        return self.explain(code, self.language.said(text))

    @property
    def shown(self) -> str:
        return repr(self._route.path) if self._route is not None else "no page"

    def _begin(self, answer: Answer | Stream) -> None:
        for name, value in self._guards.sent.items():
            self.setHeader(name, value)
        super()._begin(answer)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


class _RoutedChannel(Channel):
    factory: RoutedSite
    requestFactory = _RoutedRequest  # noqa: N815

    def connectionMade(self) -> None:  # noqa: N802
        super().connectionMade()
        transport: Any = self.transport
        self.peer = getattr(transport.getPeer(), "host", "")
        self.share = self.factory.rations.share_of(self.peer)


class RoutedSite(Site):
    """Serves ``routes``, and the files of web/look/ and of ``static``: packages with such a folder (web/static.py)."""

    def __init__(
        self,
        routes: Sequence[Route],
        reactor: IReactorTime,
        rations: Rations,
        *,
        most: int,
        proxies: Sequence[Network] = (),
        static: Iterable[str] = (),
        languages: Languages | None = None,
        in_english: Iterable[str] = (),
    ) -> None:
        """``most`` is the number of connections at a time; ``rations`` bounds what a host may ask. ``proxies`` are
        networks whose X-Forwarded-For is believed. Pages are in ``languages``, those whose path begins with a part of
        ``in_english`` in English alone."""
        super().__init__(_RoutedChannel, reactor, within=REQUEST_WITHIN, most=most)
        kept = answers(static)

        async def file(asked: Asked) -> Answer:
            found = kept.get(asked.path)
            if found is None:
                return Answer(b"There is no such file.\n", http.NOT_FOUND)
            return in_encoding(found, asked.header("accept-encoding"))

        self.languages = languages or Languages()
        own = [
            Route("GET", "/static/<name>", file, guards=FILES),
            Route("POST", language_choice.PATH, LanguageChoice(self.languages).take, language_choice.LONGEST),
        ]
        self.routes = Routes([*routes, *own])
        self.rations = rations
        self.proxies = proxies
        self.in_english = frozenset(in_english)
