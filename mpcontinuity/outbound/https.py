"""The one HTTPS client: bounded in time and size, and kept away from our own network.

Its URLs come from administrators of single domains, and from what servers answer. Such a URL must not reach what only
this machine can reach (server-side request forgery), so a host is looked up once, each of its addresses is judged, and
the connection goes to the address that was judged: DNS that answers otherwise a moment later changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import Agent, ResponseDone, ResponseFailed
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IBodyProducer
from zope.interface import implementer

from mpcontinuity.model.address import ascii_domain
from mpcontinuity.model.timer import Timer
from mpcontinuity.outbound.network import Addresses, Connector, Securing
from mpcontinuity.outbound.resolution import is_public

TIMEOUT = 20.0  # seconds for all of a request, if nothing else is said: whoever waits for it has a deadline of a minute
MOST = 1 << 20  # octets of an answer, if nothing else is said: tokens and acknowledgements have a few thousand
# Octets beside the body: status, header fields, and the framing of chunks. Servers are used to 8 to 16 KiB.
_HEAD = 64 << 10
_MOST_ADDRESSES = 4  # of a host, tried one after the other
_AT_ONCE = 50  # requests under way: each has a socket
_AT_ONCE_PER_HOST = 5  # so that one host that never answers does not keep the others waiting
_PORT = 443


class Unanswered(Exception):
    """There was no answer by HTTPS. The text says why in words for administrators; it has no part of the URL beside the
    host, because paths and queries may be secret. ``too_large``: there was one, which had too many octets."""

    def __init__(self, text: str, *, too_large: bool = False) -> None:
        super().__init__(text)
        self.too_large = too_large


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered: its status code, header fields by names in lower case, and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpsClient:
    """Asks servers by HTTPS, whose certificates are always verified. It lives in the reactor thread.

    It follows no redirects, keeps no cookies, and takes a new connection for each request. ``allow_private`` is the
    setting of ``[outbound]``: whether private addresses, and those of this machine, may be asked.
    """

    def __init__(
        self,
        *,
        addresses: Addresses,
        connect: Connector,
        secure: Securing,
        timer: Timer,
        allow_private: bool,
    ) -> None:
        self._addresses = addresses
        self._connect = connect
        self._secure = secure
        self._timer = timer
        self._allow_private = allow_private
        self._under_way: dict[str, int] = {}  # by host and port

    async def ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        within: float = TIMEOUT,
        most: int = MOST,
        private: bool = False,
        authorities: str = "",
    ) -> Answer:
        """Sends one request and returns the answer, whatever its status is; a redirect is an answer as any other.

        ``within`` is in seconds, over everything. ``most`` is the most octets that the body of the answer may have.
        ``private`` permits private addresses for this request: give it only where administrators of all domains alone
        choose the URL. ``authorities`` is a PEM file of those that are believed instead of the system's.
        Raises Unanswered.
        """
        host, port = _place(url)
        place = f"{host}:{port}"
        if sum(self._under_way.values()) >= _AT_ONCE or self._under_way.get(place, 0) >= _AT_ONCE_PER_HOST:
            raise Unanswered(f"{place}: too many requests are under way")
        self._under_way[place] = self._under_way.get(place, 0) + 1
        exchange = _Exchange(self, host, port, most, private or self._allow_private, authorities)
        asked = Deferred.fromCoroutine(exchange.ask(method, url, headers or {}, body))
        alarm = self._timer.callLater(within, asked.cancel)
        try:
            return await asked
        except Unanswered:
            raise
        except Exception as error:  # connections, TLS and HTTP fail in classes of many modules
            late = not alarm.active()  # it was cancelled, as which Twisted's layers say it in several ways
            why = f"no answer within {within:g} s" if late else exchange.fault or _why(error)
            raise Unanswered(f"{place}: {why}", too_large=exchange.too_large) from None
        finally:
            exchange.end()
            if alarm.active():
                alarm.cancel()
            self._under_way[place] -= 1
            if not self._under_way[place]:
                del self._under_way[place]

    async def permitted(self, host: str, private: bool) -> list[str]:
        """Returns the addresses of the host that may be asked, a few at most. Raises Unanswered where there are
        none."""
        found = [host] if _is_address(host) else await self._addresses(host)
        usable = [each for each in dict.fromkeys(found) if private or is_public(ip_address(each.partition("%")[0]))]
        if found and not usable:
            raise Unanswered(f"{host} has private addresses only: {', '.join(found[:3])}")
        if not usable:
            raise Unanswered(f"{host} has no address")
        return usable[:_MOST_ADDRESSES]

    async def connected(self, host: str, port: int, factory: IProtocolFactory, private: bool, authorities: str) -> Any:
        """Returns the connection to the first address that takes one, under TLS with ``host`` as its name."""
        failure: Exception | None = None
        for address in await self.permitted(host, private):
            creator = self._secure(host, True, authorities, "")  # raises what makes the file of authorities unusable
            guard = _Guard(factory, creator, own=private)
            try:
                await self._connect(address, port, _given(guard), TIMEOUT)
            except CancelledError:
                raise
            except Exception as error:
                failure = error
                continue
            if guard.refused:
                raise Unanswered(f"{host}:{port} is this machine itself")
            return guard
        assert failure is not None
        raise failure


@implementer(IAgentEndpointFactory, IStreamClientEndpoint)
class _Exchange:
    """One request; it is the endpoint to which the Agent connects."""

    def __init__(self, client: HttpsClient, host: str, port: int, most: int, private: bool, authorities: str) -> None:
        self._client = client
        self._host, self._port = host, port
        self._most = most
        self._private = private
        self._authorities = authorities
        self._guard: _Guard | None = None

    @property
    def fault(self) -> str:
        """What makes the connection unusable, in words; empty where that is not known."""
        return self._guard.fault if self._guard is not None else ""

    @property
    def too_large(self) -> bool:
        """Whether the answer came, and was too large."""
        return self._guard is not None and self._guard.excess

    async def ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        fields = Headers({"User-Agent": ["mpcontinuity"]})
        for name, value in headers.items():
            fields.setRawHeaders(name, [value])
        using: Any = Agent.usingEndpointFactory
        producer = _Body(body) if body or method in ("POST", "PUT") else None
        response = await using(None, self).request(method.encode(), url.encode(), fields, producer)
        reading = _Reading()
        response.deliverBody(reading)
        content = await reading.ended
        if len(content) > self._most:
            reason = f"{self._host}:{self._port}: the answer has more than {self._most} octets"
            raise Unanswered(reason, too_large=True)
        answered = {
            name.decode("latin-1").lower(): ", ".join(value.decode("latin-1") for value in values)
            for name, values in response.headers.getAllRawHeaders()
        }
        return Answer(response.code, answered, content)

    def end(self) -> None:
        """Closes the connection, if there is one."""
        if self._guard is not None:
            self._guard.abort()

    def endpointForURI(self, uri: object) -> _Exchange:  # noqa: N802
        return self

    def connect(self, factory: IProtocolFactory) -> Deferred[Any]:
        return Deferred.fromCoroutine(self._connected(factory))

    async def _connected(self, factory: IProtocolFactory) -> Any:
        guard = await self._client.connected(self._host, self._port, factory, self._private, self._authorities)
        self._guard = guard
        guard.most = self._most + _HEAD
        return guard.inner


class _Guard(Protocol):
    """Stands between the connection and the reader of HTTP: turns on TLS, counts octets, and refuses this machine."""

    def __init__(self, factory: Any, creator: Any, *, own: bool) -> None:
        self.inner: Any = factory.buildProtocol(None)
        self.refused = False
        self.most = _HEAD
        self._creator = creator
        self._own = own
        self._came = 0
        self.excess = False

    @property
    def fault(self) -> str:
        if self.excess:
            return f"the answer has more than {self.most} octets"
        fault: str = getattr(self._creator, "fault", "")
        return fault

    def connectionMade(self) -> None:  # noqa: N802
        transport: Any = self.transport
        here, there = (getattr(end, "host", "") for end in (transport.getHost(), transport.getPeer()))
        if not self._own and here == there:  # a public address of ours
            self.refused = True
            transport.abortConnection()
            return
        transport.startTLS(self._creator)
        self.inner.makeConnection(transport)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self._came += len(data)
        if self._came > self.most:
            self.excess = True
            self.abort()
        else:
            self.inner.dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        if not self.refused:
            self.inner.connectionLost(reason)

    def abort(self) -> None:
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()


def _given(protocol: Protocol) -> Any:
    """A factory of this one protocol."""
    factory: Any = Factory.forProtocol(lambda: protocol)
    factory.noisy = False
    return factory


@implementer(IBodyProducer)
class _Body:
    """The body of a request, which is short and written at once."""

    def __init__(self, body: bytes) -> None:
        self.length = len(body)
        self._body = body

    def startProducing(self, consumer: Any) -> Deferred[None]:  # noqa: N802
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None: ...  # noqa: N802

    def resumeProducing(self) -> None: ...  # noqa: N802

    def stopProducing(self) -> None: ...  # noqa: N802


class _Reading(Protocol):
    """Collects the body of an answer, whose size the guard bounds."""

    def __init__(self) -> None:
        self.ended: Deferred[bytes] = Deferred()
        self._pieces: list[bytes] = []

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self._pieces.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        if self.ended.called:
            return
        if isinstance(
            reason.value, ResponseDone | PotentialDataLoss
        ):  # the latter: an answer that ends with its connection
            self.ended.callback(b"".join(self._pieces))
        else:
            self.ended.errback(reason)


def place_of(url: str) -> tuple[str, int]:
    """Returns host, with A-labels, and port of an HTTPS URL. Raises ValueError with what is wrong with it."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORT
    except ValueError:
        raise ValueError("not a URL") from None
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError("must begin with https:// and a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not have a name or a password before its host")
    if not (url.isascii() and url.isprintable()) or " " in url or "#" in url:
        raise ValueError("must be of printable ASCII, without a fragment")
    host = parts.hostname.rstrip(".")
    return (host if _is_address(host) else ascii_domain(host)), port


def _place(url: str) -> tuple[str, int]:
    try:
        return place_of(url)
    except ValueError as error:
        raise Unanswered(f"the URL {error}") from None


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _why(error: BaseException) -> str:
    """The innermost reason: Twisted's own errors carry the failures of each layer."""
    reasons = getattr(error, "reasons", None)
    if isinstance(error, ResponseFailed) or reasons:
        return _why(reasons[0].value) if reasons else type(error).__name__
    text = str(error).strip()
    return text.splitlines()[0][:200] if text else type(error).__name__
