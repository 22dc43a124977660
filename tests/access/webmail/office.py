"""Webmail on a real store, as it is served: users, their mail, and browsers without JavaScript."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from mpcontinuity.access.webmail.news import News
from mpcontinuity.access.webmail.reading import Reading
from mpcontinuity.access.webmail.services import WebmailServices
from mpcontinuity.access.webmail.site import PACKAGE, routes
from mpcontinuity.accounts import user_login, users
from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.quotas import Quotas
from mpcontinuity.accounts.user_login import UserLogin
from mpcontinuity.accounts.users import User
from mpcontinuity.accounts.web_sessions import USER, WebSessions
from mpcontinuity.archive.folder import EmailArchives
from mpcontinuity.children.readers import Readers
from mpcontinuity.control.operation import Control
from mpcontinuity.delivery import filing
from mpcontinuity.delivery.outward import Submissions
from mpcontinuity.delivery.service import Delivery
from mpcontinuity.delivery.submission import submission_of
from mpcontinuity.mailbox import mailboxes
from mpcontinuity.mailbox.mailboxes import MailboxInfo
from mpcontinuity.mailbox.view import Views
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import DAY, SECOND
from mpcontinuity.model.rations import Rations
from mpcontinuity.model.recipients import Recipients
from mpcontinuity.model.settings import Limits, Public, Settings
from mpcontinuity.web import languages
from mpcontinuity.web.routes import RoutedSite
from mpcontinuity.writing.desk import Desk
from mpcontinuity.writing.outbox import Outbox
from tests.admin.portal.browser import HOST, Browser, Shown
from tests.delivery.homes import FakeHomes
from tests.fakes.clock import ManualClock, SeededRandomness
from tests.fakes.jobs import Here
from tests.fakes.judging import Court
from tests.fakes.stores import result

ANNA, BERT = "anna@example.org", "bert@example.org"
PASSWORD = "secret"
SIMPLE = b"From: Bob <bob@x.example>\r\nTo: anna@example.org\r\nSubject: Hello\r\n\r\nAre you there?\r\n"


class Office:
    """Anna and Bert of example.org, whose passwords are `PASSWORD`, and the pages."""

    def __init__(self, control: Control, clock: ManualClock) -> None:
        settings = Settings(hostname="mx.example.net", public=Public(host=HOST, ports={"web": 443, "imaps": 993}))
        self.clock = clock
        self.control = replace(control, settings=settings)
        self.store = store = control.store
        self.court = Court(clock, control.passwords)
        directory = Directory(store)
        self.quotas = Quotas(store, directory, Limits())
        homes: Any = FakeHomes()
        delivery = Delivery(
            store, directory, homes, hostname="mx.example.net", limits=Limits(), timer=clock, retry_after=SECOND
        )
        submissions = Submissions(delivery, Recipients(300, clock), self.quotas, give_up=DAY)
        self.desk = Desk(store, self.quotas, SeededRandomness(7), "mx.example.net", Limits())
        self.outbox = Outbox(self.desk, partial(submission_of, submissions), clock)
        self.jobs = Here()  # reader processes, here and at once
        self.services = WebmailServices(
            control=self.control,
            directory=directory,
            login=UserLogin(store, directory, self.court.judge),
            sessions=WebSessions(store, USER, SeededRandomness(5), user_login.signed_in),
            views=Views(store),
            quotas=self.quotas,
            archives=EmailArchives(store, Here(), clock),
            timer=clock,
            reading=Reading(store, Readers(self.jobs, clock), SeededRandomness(3)),
            desk=self.desk,
            outbox=self.outbox,
            news=News(store, clock, SeededRandomness(9), Rations(Limits(), clock.seconds)),
            languages=languages.load(),
        )
        self.pages = routes(self.services)
        timer: Any = clock
        spoken, rations = self.services.languages, Rations(Limits(), clock.seconds)
        self.site = RoutedSite(self.pages, timer, rations, most=1 << 30, static=[PACKAGE], languages=spoken)

    def user(self, address: str = ANNA) -> User:
        found = result(self.store.read(partial(users.find, address=parse(address))))
        assert found is not None
        return found

    def folder(self, name: str = "INBOX", address: str = ANNA) -> MailboxInfo:
        return result(self.store.read(partial(mailboxes.get, account=self.user(address).id, name=name)))

    def put(self, data: bytes = SIMPLE, name: str = "INBOX", address: str = ANNA, *, flags: int = 0) -> int:
        """Puts a message into a mailbox and returns its UID."""
        folder = self.folder(name, address)
        filed = result(filing.begin(self.store, self.quotas, "mx.example.net", self.user(address), folder, len(data)))
        filed.write(data)
        return result(filed.end(flags=flags, keywords=(), date=None)).last_uid

    def browser(self, address: str = "", password: str = PASSWORD) -> Browser:
        """Returns a browser, in which that user is signed in where one is named."""
        portal: Any = self
        browser = Browser(portal)
        if address:
            assert log_in(browser, address, password).location == "/"
        return browser


def log_in(browser: Browser, address: str = ANNA, password: str = PASSWORD, path: str = "/") -> Shown:
    return browser.send("/login", path, address=address, password=password)
