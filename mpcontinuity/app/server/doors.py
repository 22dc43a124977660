"""Doors: the protocols by which clients and administrators come in, bound to the addresses of [listen]."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

from twisted.internet.defer import DeferredList
from twisted.protocols.tls import TLSMemoryBIOFactory

from mpcontinuity.access.imap.factory import ImapFactory
from mpcontinuity.access.imap.services import ImapServices
from mpcontinuity.access.pop3.factory import Pop3Factory
from mpcontinuity.access.pop3.lock import Locks
from mpcontinuity.access.pop3.services import Pop3Services
from mpcontinuity.access.setup import site as setup
from mpcontinuity.access.setup.services import SetupServices
from mpcontinuity.access.webmail import site as webmail
from mpcontinuity.access.webmail.news import News
from mpcontinuity.access.webmail.reading import Reading
from mpcontinuity.access.webmail.services import WebmailServices
from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.user_login import UserLogin
from mpcontinuity.admin.api import site as api
from mpcontinuity.admin.api.services import ApiServices
from mpcontinuity.admin.portal import site as portal
from mpcontinuity.app.listening.certificate import AskingClients, Certificate
from mpcontinuity.app.listening.gatekeeper import Gatekeeper
from mpcontinuity.app.server.accounts import Accounts
from mpcontinuity.app.server.control_port import ControlPort
from mpcontinuity.app.server.mail import Mail
from mpcontinuity.archive.folder import EmailArchives
from mpcontinuity.children.readers import Readers
from mpcontinuity.control.live import Live
from mpcontinuity.control.operation import Control
from mpcontinuity.control.socket import ControlFactory
from mpcontinuity.delivery.calling import HomeCalls
from mpcontinuity.delivery.from_home import HomeMail
from mpcontinuity.delivery.incoming import Incoming
from mpcontinuity.delivery.submission import submission_of
from mpcontinuity.inbound.factory import SmtpFactory
from mpcontinuity.inbound.services import Role, SmtpServices
from mpcontinuity.mailbox.view import Views
from mpcontinuity.model import hosts
from mpcontinuity.model.rations import Rations
from mpcontinuity.model.settings import Limits, Network, Settings
from mpcontinuity.model.timer import Timer
from mpcontinuity.store.store import Store
from mpcontinuity.web import languages
from mpcontinuity.web.routes import RoutedSite

_IMPLICIT_TLS = ("submissions", "imaps", "pop3s", "web")

# Connections are bounded by the gatekeeper, whose limit may change while the server runs: never here first, since the
# TLS around a connection cannot be told that there is none.
_MOST_BY_WEB = 1 << 30


class _GivenToEach(TypedDict):
    """What every door is given (`door.services.Services`)."""

    store: Store
    directory: Directory
    login: UserLogin
    rations: Rations
    limits: Limits
    timer: Timer
    hostname: str
    plaintext_login_networks: Sequence[Network]


class Doors:
    """Joins SMTP, submission, IMAP, POP3, the web and the control socket to accounts and mail."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        accounts: Accounts,
        mail: Mail,
        control: Control,
        *,
        gatekeeper: Gatekeeper,
        certificate: Certificate,
        reactor: Any,
    ) -> None:
        self._settings = settings
        self._store = store
        self._accounts = accounts
        self._mail = mail
        self._gatekeeper = gatekeeper
        self._certificate = certificate
        self._reactor = reactor
        self._every: _GivenToEach = {
            "store": store,
            "directory": accounts.directory,
            "login": accounts.login,
            "rations": gatekeeper.rations,
            "limits": settings.limits,
            "timer": reactor,
            "hostname": settings.hostname,
            "plaintext_login_networks": hosts.networks(settings.tls.plaintext_login_networks),
        }
        self._home_calls = HomeCalls(store, accounts.directory, accounts.origins, mail.homes, timer=reactor)
        self._views = Views(store)
        self._archives = EmailArchives(store, mail.children, reactor)
        self._languages = languages.load(settings.web.languages)
        self._access = self._make_access()
        self._web = self._make_web(control)
        self._smtp = {
            "smtp": self._make_smtp(Role.INBOUND),
            "submission": self._make_smtp(Role.SUBMISSION),
            "submissions": self._make_smtp(Role.SUBMISSION, implicit_tls=True),
        }
        self._control_port = ControlPort(
            reactor,
            Path(settings.data_dir),
            ControlFactory(control, reactor),
            alone=settings.store.database == "sqlite",
        )

    def _make_access(self) -> dict[str, ImapFactory | Pop3Factory]:
        certificate = self._certificate
        quotas = self._accounts.quotas
        imap = ImapServices(views=self._views, quotas=quotas, archives=self._archives, tls=certificate, **self._every)
        pop3 = Pop3Services(locks=Locks(self._reactor), tls=certificate, **self._every)
        return {
            "imap": ImapFactory(imap),
            "imaps": ImapFactory(imap, implicit_tls=True),
            "pop3": Pop3Factory(pop3),
            "pop3s": Pop3Factory(pop3, implicit_tls=True),
        }

    def _make_smtp(self, role: Role, *, implicit_tls: bool = False) -> SmtpFactory:
        accounts, mail, certificate = self._accounts, self._mail, self._certificate
        inbound = role is Role.INBOUND
        services = SmtpServices(
            begin=partial(Incoming, mail.delivery),
            submit=partial(submission_of, mail.submissions),
            stop_waiting=mail.stop_waiting,
            role=role,
            home=HomeMail(mail.submissions, accounts.origins) if inbound else None,
            calls=self._home_calls if inbound else None,
            reports_to_strangers=mail.homes.all_report,
            tls=AskingClients(certificate, lambda: accounts.origins.shared) if inbound else certificate,
            **self._every,
        )
        return SmtpFactory(services, implicit_tls=implicit_tls)

    def _make_web(self, control: Control) -> RoutedSite:
        """One site for all who come by HTTPS; its parts know nothing of each other."""
        accounts, mail = self._accounts, self._webmail_services(control)
        return RoutedSite(
            [
                *webmail.routes(mail),
                *setup.routes(
                    SetupServices(
                        control=control,
                        judge=accounts.judge,
                        login=accounts.login,
                        directory=accounts.directory,
                        sessions=accounts.setup_sessions,
                        enter=partial(webmail.welcome, mail),
                    )
                ),
                *portal.routes(
                    control=control, login=accounts.administrator_login, sessions=accounts.administrator_sessions
                ),
                *api.routes(
                    ApiServices(
                        control=control,
                        administrators=accounts.administrator_login,
                        users=accounts.login,
                        live=Live(self._store, self._reactor),
                        timer=self._reactor,
                    )
                ),
            ],
            self._reactor,
            self._gatekeeper.rations,
            most=_MOST_BY_WEB,
            proxies=hosts.networks(self._settings.web.trusted_proxies),
            static=[webmail.PACKAGE],
            languages=self._languages,
            in_english=("admin", "api"),
        )

    def _webmail_services(self, control: Control) -> WebmailServices:
        """Webmail has the views of IMAP: what the one changes, the other tells of."""
        accounts = self._accounts
        return WebmailServices(
            control=control,
            directory=accounts.directory,
            login=accounts.login,
            sessions=accounts.webmail_sessions,
            views=self._views,
            quotas=accounts.quotas,
            archives=self._archives,
            reading=Reading(self._store, Readers(self._mail.readers, self._reactor), control.randomness),
            timer=self._reactor,
            desk=self._mail.desk,
            outbox=self._mail.outbox,
            news=News(self._store, self._reactor, control.randomness, self._gatekeeper.rations),
            languages=self._languages,
        )

    @property
    def connections(self) -> Mapping[str, Callable[[], int]]:
        """Functions that give how many connections each protocol has now."""
        doors = (*self._smtp.items(), *self._access.items(), ("web", self._web))
        return {name: door.count for name, door in doors}

    def bind(self) -> None:
        """Listens at every endpoint of [listen], without accepting yet. Raises BadConfiguration."""
        certificate: Any = self._certificate
        doors: dict[str, Any] = {**self._smtp, **self._access, "web": self._web}
        words = {door: factory.TURNED_AWAY for door, factory in doors.items() if door not in _IMPLICIT_TLS}
        for door in _IMPLICIT_TLS:
            doors[door] = TLSMemoryBIOFactory(certificate, False, doors[door], self._reactor)
        listen = self._settings.listen
        for door, factory in doors.items():
            for endpoint in getattr(listen, door):
                self._gatekeeper.bind(self._reactor, door, endpoint, factory, words.get(door, b""))

    def open(self) -> None:
        """Accepts administrators and clients."""
        self._control_port.open()
        self._gatekeeper.open()
        if self._settings.listen.web:
            self._mail.readers.keep()

    async def close(self) -> None:
        """Accepts nobody any more, and ends the sessions of IMAP, POP3, the web and the control socket."""
        await self._gatekeeper.close()
        self._web.stop()
        for door in self._access.values():
            door.stop()
        await self._control_port.close()

    async def end_smtp(self) -> None:
        """Ends when every message under way is answered, and no session of SMTP is left."""
        await DeferredList([door.stop() for door in self._smtp.values()])

    def adopt(self, limits: Limits) -> None:
        """Takes limits that changed while the server runs; sessions that stand keep what they began with."""
        self._gatekeeper.rations.adopt(limits)
        for door in (*self._smtp.values(), *self._access.values()):
            door.services.limits = limits
