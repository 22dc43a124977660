"""Accounts: who may come in. The first part that is made, since mail and doors ask it for users and domains."""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.internet.task import deferLater

from mpcontinuity.accounts import administrator_login, user_login
from mpcontinuity.accounts.administrator_login import AdministratorLogin
from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.drill_logins import DrillLogins
from mpcontinuity.accounts.judging import Judge
from mpcontinuity.accounts.origins import Origins
from mpcontinuity.accounts.passwords import Passwords
from mpcontinuity.accounts.quotas import Quotas
from mpcontinuity.accounts.user_login import UserLogin
from mpcontinuity.accounts.web_sessions import ADMINISTRATOR, SETUP, USER, WebSessions
from mpcontinuity.app.server.workers import Workers
from mpcontinuity.model import hosts
from mpcontinuity.model.clock import Clock
from mpcontinuity.model.randomness import Randomness
from mpcontinuity.model.settings import Limits, Settings
from mpcontinuity.store.store import Store


class Accounts:
    """Joins what knows users and domains, judges passwords and counts what a user keeps.

    ``directory`` finds users and domains, and ``origins`` the home server that a client may be. ``login`` and
    ``administrator_login`` log users and administrators in, by the answers of ``judge``. ``administrator_sessions``
    knows the browsers where administrators are signed in, ``webmail_sessions`` those where users read their mail, and
    ``setup_sessions`` those where they set up a device.
    ``quotas`` bounds mailboxes. ``passwords`` hashes, in ``control_workers`` where an administrator asks for it.
    """

    def __init__(self, settings: Settings, store: Store, *, reactor: Any, clock: Clock, randomness: Randomness) -> None:
        self.directory = Directory(store)
        self.origins = Origins(store, self.directory)
        self.quotas = Quotas(store, self.directory, settings.limits)
        self.passwords = Passwords(settings.password.scheme)
        self.control_workers = Workers(reactor, "control", threads=1, most=500)
        self._login_workers = Workers(reactor, "login", threads=2, most=500, most_of_host=100)
        self.judge = Judge(
            self.passwords,
            failures=settings.limits.login_failures,
            failures_per_host=settings.limits.login_failures_per_host,
            trusted=hosts.networks(settings.limits.trusted_networks),
            compute=self._login_workers,
            sleep=partial(deferLater, reactor),
            clock=clock,
            randomness=randomness,
        )
        self.login = UserLogin(store, self.directory, self.judge)
        self._drill_logins = DrillLogins(store, self.directory, self.login.logins)
        self.administrator_login = AdministratorLogin(store, self.judge)
        self.setup_sessions = WebSessions(store, SETUP, randomness, user_login.signed_in)
        self.webmail_sessions = WebSessions(store, USER, randomness, user_login.signed_in)
        self.administrator_sessions = WebSessions(store, ADMINISTRATOR, randomness, administrator_login.signed_in)

    def start(self) -> None:
        """Starts the threads that hash passwords."""
        self._login_workers.start()
        self.control_workers.start()

    def close(self) -> None:
        """Ends the threads, once nobody asks any more."""
        self._login_workers.stop()
        self.control_workers.stop()

    def adopt(self, limits: Limits) -> None:
        """Takes limits that changed while the server runs."""
        self.quotas.limits = limits
