"""Watches the users' side of home servers: whether they can log in there, although it takes mail (`home-users`).

It never redirects mail. What it finds is stored, shown and told (accounts/home_users.py).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

from twisted.internet.defer import Deferred, DeferredList, DeferredSemaphore
from twisted.logger import Logger

from mpcontinuity.accounts import home_users
from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.model import imapurl
from mpcontinuity.model.hosts import without_password
from mpcontinuity.model.timer import Timer
from mpcontinuity.outbound.https import HttpsClient, Unanswered, place_of
from mpcontinuity.outbound.imap.opening import ImapLogin, ImapServer, NoSession, open_session
from mpcontinuity.outbound.opening import ClientEnvironment
from mpcontinuity.store.store import Store

EVERY = 5.0  # seconds between two looks at which domains are due
_ROUND = 30.0  # seconds between two probes of a domain
# and after the first one that found something else than before: one failure may be chance, two in a row are told
_AGAIN = 10.0
_IN_A_ROW = 2
_AT_ONCE = 10  # domains that are probed at the same time
MOST_URLS = 5  # of one domain
_PAGE = 64 << 10  # octets of a page that are of use: none, but a server sends them before it can be told so

_log = Logger()


@dataclass(frozen=True, slots=True)
class Page:
    """A page by HTTPS, and the test account that may see it; empty: none is used."""

    url: str
    name: str = ""
    password: str = field(default="", repr=False)


def read(text: str) -> imapurl.ImapUrl | Page:
    """Returns what one URL of `home-users` says. Raises ValueError, whose text has no password."""
    if text.lower().startswith(("imap://", "imaps://")):
        server = imapurl.parse(text)
        if server.name and not server.password:
            raise ValueError("has a name and no password; give a test account as NAME:PASSWORD@")
        if "{" in server.name:
            raise ValueError("has a place for users in its name; give a test account as NAME:PASSWORD@")
        return server
    scheme, _, rest = text.partition("://")
    authority, slash, path = rest.partition("/")
    login, _, place = authority.rpartition("@")
    url = f"{scheme}://{place}{slash}{path}"
    place_of(url)
    name, _, password = login.partition(":")
    return Page(url, unquote(name), unquote(password))


def shown(text: str) -> str:
    """Returns one URL of `home-users` without the password of its test account."""
    if text.lower().startswith("https://"):
        parts = urlsplit(text)
        host = parts.netloc.rpartition("@")[2]
        name = (parts.username or "") and f"{parts.username}:…@"
        return parts._replace(netloc=f"{name}{host}").geturl()
    return without_password(text)


@dataclass(slots=True)
class _Watched:
    """What is remembered of a domain's probes."""

    urls: tuple[str, ...]
    due: float = 0.0
    out: bool | None = None  # as it was stored last; None: not known yet
    changed: int = 0  # probes in a row that found it otherwise


class UserSide:
    """Probes the users' side of each domain's home server. It lives in the reactor thread, and `look` is the chore of
    one process of all."""

    def __init__(
        self, store: Store, directory: Directory, environment: ClientEnvironment, https: HttpsClient, timer: Timer
    ) -> None:
        self._store = store
        self._directory = directory
        self._environment = environment
        self._https = https
        self._timer = timer
        self._slots = DeferredSemaphore(_AT_ONCE)
        self._watched: dict[int, _Watched] = {}

    async def look(self) -> None:
        """Probes the domains that are due, a few at a time, and stores what is news. Raises Temporary."""
        domains = {domain.id: domain for domain in await self._directory.domains() if domain.settings.home_users}
        await self._forget(domains.keys())
        now = self._timer.seconds()
        due = [domain for domain in domains.values() if self._state(domain).due <= now]
        ended: Deferred[list[tuple[bool, Any]]] = DeferredList(
            [self._slots.run(self._begin, domain) for domain in due], consumeErrors=True
        )
        for well, failure in await ended:
            if not well:
                failure.raiseException()

    def _begin(self, domain: Domain) -> Deferred[None]:
        return Deferred.fromCoroutine(self._look_at(domain))

    def _state(self, domain: Domain) -> _Watched:
        known = self._watched.get(domain.id)
        if known is None or known.urls != domain.settings.home_users:
            known = self._watched[domain.id] = _Watched(domain.settings.home_users)
        return known

    async def _forget(self, wanted: Collection[int]) -> None:
        """Nobody watches any more where the setting is empty, so that what was found counts no more."""
        found = await self._store.read(home_users.found)
        for domain in [each for each in found if each not in wanted]:
            await self._store.run(partial(home_users.unwatch, domain=domain))
        self._watched = {id_: state for id_, state in self._watched.items() if id_ in wanted}

    async def _look_at(self, domain: Domain) -> None:
        state = self._state(domain)
        state.due = self._timer.seconds() + _ROUND
        if state.out is None:
            known = await self._store.read(partial(home_users.find, domain=domain.id))
            state.out = known.found > 0
        reason = await self._probe(domain)
        if bool(reason) is state.out:
            state.changed = 0
            return
        state.changed += 1
        state.due = self._timer.seconds() + _AGAIN
        if state.changed < _IN_A_ROW:
            return
        state.out, state.changed = bool(reason), 0
        if await self._store.run(partial(home_users.note, domain=domain.id, reason=reason)):
            what = f"are out: {reason}" if reason else "can use it again"
            _log.info("users of {domain}'s home server {what}", domain=domain.name, what=what)

    async def _probe(self, domain: Domain) -> str:
        """What is out of order, one part for each URL that is; empty: nothing."""
        found = [await self._ask(domain, url) for url in domain.settings.home_users]
        return "; ".join(part for part in found if part)

    async def _ask(self, domain: Domain, text: str) -> str:
        wanted = read(text)
        if isinstance(wanted, Page):
            return await self._page(domain, wanted)
        login = ImapLogin(wanted.name, wanted.password) if wanted.name else None
        settings = domain.settings
        server = ImapServer(wanted, settings.home_tls_name, settings.home_tls_ca)
        session = await open_session(self._environment, server, login)
        if isinstance(session, NoSession):
            return session.reason
        session.logout()
        return ""

    async def _page(self, domain: Domain, page: Page) -> str:
        """Any answer but a failure of the server is one; with a test account it must let that in."""
        headers = {}
        if page.name:
            login = b64encode(f"{page.name}:{page.password}".encode()).decode()
            headers["Authorization"] = f"Basic {login}"
        host, port = place_of(page.url)
        try:
            answer = await self._https.ask(
                "GET", page.url, headers=headers, most=_PAGE, private=True, authorities=domain.settings.home_tls_ca
            )
        except Unanswered as error:
            return "" if error.too_large else str(error)
        refused = page.name and answer.status in (401, 403)
        return f"{host}:{port}: answered {answer.status}" if answer.status >= 500 or refused else ""
