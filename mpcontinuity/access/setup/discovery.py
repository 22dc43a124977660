"""What mail programs ask for by themselves: where mail of an address is read and sent.

All are answered alike whether there is a user of that address or not: only the domain has to be one of ours. No answer
has a password in it, and the host is that of ``[public]``, whatever the Host header says.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

from twisted.logger import Logger
from twisted.web import http

from mpcontinuity.access.setup.services import SetupServices
from mpcontinuity.model import public
from mpcontinuity.model.address import Address, BadAddress, domain_key, parse
from mpcontinuity.model.hosts import split
from mpcontinuity.model.settings import Tls
from mpcontinuity.protocols.discovery import autoconfig, autodiscover, mobileconfig, useragent
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.asked import Asked
from mpcontinuity.web.headers import DATA
from mpcontinuity.web.routes import Route

_ANY_CASE: Final = '/<anycase("autodiscover"):folder>/'  # Outlook writes it in four ways at least
_NOT_OURS: Final = "no domain of this server"
_JSON: Final = "application/json"
_AUTOCONFIG_HOST: Final = "autoconfig."

_log = Logger()


class Discovery:
    """The documents, for all domains."""

    def __init__(self, services: SetupServices) -> None:
        self._services = services
        self._settings = services.control.settings

    def routes(self) -> list[Route]:
        """Returns the routes of these documents."""
        name = '<anycase("autodiscover.json"):name>'
        return [
            *(Route("GET", path, self.autoconfig, guards=DATA) for path in autoconfig.PATHS),
            Route(
                "POST",
                f'{_ANY_CASE}<anycase("autodiscover.xml"):name>',
                self.autodiscover,
                autodiscover.LONGEST,
                guards=DATA,
            ),
            Route("GET", f"{_ANY_CASE}{name}", self.autodiscover_in_json, guards=DATA),
            Route("GET", f"{_ANY_CASE}{name}/v1.0/<address>", self.autodiscover_in_json, guards=DATA),
            Route("GET", mobileconfig.PATH, self.mobileconfig, guards=DATA),
            Route("GET", useragent.PATH, self.user_agent, guards=DATA),
        ]

    async def autoconfig(self, asked: Asked) -> Answer:
        """Answers Thunderbird and others. Without an address, which not all send, the host that they ask says which
        domain it is about."""
        given = asked.query.get("emailaddress")
        if given:
            address = _address(given)
            if address is None:
                return _refused("emailaddress: not a mail address")
            domain = address.domain
        else:
            domain = _domain_of(asked.host)
        if not await self._ours(domain):
            return _nothing()
        page = public.url(self._settings, useragent.SETUP)
        body = autoconfig.document(domain, public.places(self._settings), page)
        return Answer(body, content_type=autoconfig.CONTENT_TYPE)

    async def autodiscover(self, asked: Asked) -> Answer:
        """Answers Outlook. Its errors are documents as well, which it shows to nobody."""
        try:
            wanted = autodiscover.read(asked.body)
        except autodiscover.BadRequest:
            return _outlook(autodiscover.error(600, "Invalid Request"), http.BAD_REQUEST)
        if not wanted.mail:
            return _outlook(autodiscover.error(601, "Provider not available: there is IMAP, POP3 and SMTP here"))
        address = _address(wanted.address)
        if address is None or not await self._ours(address.domain):
            return _outlook(autodiscover.error(500, "The address is of no domain of this server"), http.NOT_FOUND)
        return _outlook(autodiscover.answer(address.text, public.places(self._settings)))

    async def autodiscover_in_json(self, asked: Asked) -> Answer:
        """Answers those who ask where autodiscover is."""
        given = asked.parts.get("address") or asked.query.get("Email")
        address = _address(given) if given else None
        url = public.url(self._settings, autodiscover.PATH)
        if url is None or address is None or not await self._ours(address.domain):
            return _nothing()
        code, body = autodiscover.answer_in_json(asked.query.get("Protocol"), url)
        return Answer(body, code, _JSON)

    async def mobileconfig(self, asked: Asked) -> Answer:
        """Answers with a profile for Apple's devices, signed where that is worth something."""
        address = _address(asked.query.get("email"))
        if address is None:
            return _refused("email: not a mail address")
        if not await self._ours(address.domain):
            return _nothing()
        body = mobileconfig.profile(address.text, public.host(self._settings), public.places(self._settings))
        if body is None:
            return _nothing()
        signed = await self._services.judge.compute(partial(_signed, body, self._settings.tls), asked.peer)
        fields = {b"content-disposition": b'attachment; filename="mail.mobileconfig"'}
        return Answer(signed, content_type=mobileconfig.CONTENT_TYPE, fields=fields)

    async def user_agent(self, asked: Asked) -> Answer:
        """Answers with what is the same for all domains, as DNS vouches for it by a digest."""
        body = useragent.document(self._settings)
        return Answer(body, content_type=useragent.CONTENT_TYPE) if body is not None else _nothing()

    async def _ours(self, domain: str) -> bool:
        return await self._services.directory.domain(domain) is not None


def _address(text: str) -> Address | None:
    try:
        address = parse(text.strip())
    except BadAddress:
        return None
    return address if address.text.isprintable() else None


def _domain_of(host: str) -> str:
    """The domain that a Host header is about; empty where it is no host at all."""
    try:
        return domain_key(split(host, 0)[0]).removeprefix(_AUTOCONFIG_HOST)
    except ValueError:
        return ""


def _signed(body: bytes, tls: Tls) -> bytes:
    """In a thread: it reads files, and computes for milliseconds."""
    try:
        return mobileconfig.sign(body, Path(tls.certificate).read_bytes(), Path(tls.private_key).read_bytes())
    except (OSError, ValueError, TypeError) as error:
        _log.warn("profiles for Apple's devices are not signed: {error}", error=error, often=True)
        return body


def _outlook(body: bytes, code: int = http.OK) -> Answer:
    return Answer(body, code, autodiscover.CONTENT_TYPE)


def _refused(text: str) -> Answer:
    return Answer(f"{text}\n".encode(), http.BAD_REQUEST)


def _nothing() -> Answer:
    return Answer(f"{_NOT_OURS}\n".encode(), http.NOT_FOUND)
