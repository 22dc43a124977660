"""Sessions with the IMAP servers of homes, by user: one that has just served is kept for that user's next message."""

from __future__ import annotations

from dataclasses import dataclass

from mpcontinuity.model import hosts, imapurl, oauth
from mpcontinuity.model.address import Address
from mpcontinuity.model.imapurl import IMAP_PORT
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.model.timer import Alarm
from mpcontinuity.outbound.imap.mailboxes import UserMailboxes
from mpcontinuity.outbound.imap.opening import Fault, ImapLogin, ImapServer, NoSession, open_session
from mpcontinuity.outbound.imap.tokens import NoToken, Tokens
from mpcontinuity.outbound.opening import ClientEnvironment

# Seconds that a session is kept for the next message of its user: those of a flush follow each other at once, and a
# server that permits a few sessions for each user is not robbed of them.
_KEPT = 10.0
_MOST_KEPT = 20  # sessions of all users together

_Key = tuple[str, str, str, str, str]


@dataclass(slots=True)
class _Idle:
    """A session that nobody uses, and when it ends."""

    mailboxes: UserMailboxes
    end: Alarm


class ImapSessions:
    """Opens sessions with the IMAP servers that domains name in ``home-imap``. It lives in the reactor thread."""

    def __init__(self, environment: ClientEnvironment, tokens: Tokens) -> None:
        self._environment = environment
        self._tokens = tokens
        self._idle: dict[_Key, list[_Idle]] = {}
        self._closed = False

    async def take(self, settings: DomainSettings, user: Address) -> UserMailboxes | NoSession:
        """Returns a session that is logged in as this user, or why there is none. Give it back by `put`. Never
        raises."""
        key = _key(settings, user)
        while idle := self._idle.get(key):
            found = idle.pop()
            if not idle:
                del self._idle[key]
            _cancel(found)
            if found.mailboxes.session.idle:
                return found.mailboxes
        return await self._open(settings, user)

    def put(self, settings: DomainSettings, user: Address, mailboxes: UserMailboxes) -> None:
        """Keeps a session for a while, if it is of use still."""
        if not mailboxes.session.idle or self._closed:
            mailboxes.session.logout()
            return
        if sum(map(len, self._idle.values())) >= _MOST_KEPT:
            self._end(next(iter(self._idle)))
        key = _key(settings, user)
        end = self._environment.timer.callLater(_KEPT, self._end, key)
        self._idle.setdefault(key, []).append(_Idle(mailboxes, end))

    def close(self) -> None:
        """Ends the sessions that nobody uses, and keeps none from now on."""
        self._closed = True
        for key in list(self._idle):
            self._end(key)

    def _end(self, key: _Key) -> None:
        for idle in self._idle.pop(key, ()):
            _cancel(idle)
            idle.mailboxes.session.logout()

    async def _open(self, settings: DomainSettings, user: Address) -> UserMailboxes | NoSession:
        url = imapurl.parse(settings.home_imap)
        same_host = url.host in {hosts.split(home, IMAP_PORT)[0] for home in settings.home}
        server = ImapServer(url, settings.home_tls_name if same_host else "", settings.home_tls_ca)
        name = url.login(user.local, user.domain)
        if settings.home_imap_oauth:
            client = oauth.parse(settings.home_imap_oauth)
            try:
                login = ImapLogin(name, token=await self._tokens.of(client, name))
            except NoToken as error:
                return NoSession(Fault.UNREACHABLE, str(error))
        elif url.master:
            login = ImapLogin(url.name, url.password, authorization=name)
        else:
            login = ImapLogin(name, url.password)
        session = await open_session(self._environment, server, login)
        if isinstance(session, NoSession):
            if settings.home_imap_oauth and session.fault is Fault.REFUSED:
                self._tokens.forget(oauth.parse(settings.home_imap_oauth))
            return session
        wait = self._environment.settings
        return UserMailboxes(
            session, self._environment.timer, wait=wait.reply_timeout, message_wait=wait.message_timeout
        )


def _cancel(idle: _Idle) -> None:
    if idle.end.active():
        idle.end.cancel()


def _key(settings: DomainSettings, user: Address) -> _Key:
    return settings.home_imap, settings.home_imap_oauth, settings.home_tls_name, settings.home_tls_ca, user.key
