"""One SASL exchange of a client, whatever the door: SMTP, IMAP and POP3 send what it says and ask nothing else."""

from __future__ import annotations

from typing import Any, Final

from OpenSSL import SSL

from mpcontinuity.accounts.user_login import UserLogin
from mpcontinuity.accounts.users import User
from mpcontinuity.protocols.sasl import scram
from mpcontinuity.protocols.sasl.exchange import (
    Challenge,
    Exchange,
    Failed,
    LoginExchange,
    Lookup,
    Password,
    Plain,
    Proven,
    Step,
)
from mpcontinuity.protocols.sasl.scram import Keys, Scram

# As they are offered: many a client takes the first that it knows.
MECHANISMS: Final = (scram.NAME, "PLAIN", "LOGIN")
MECHANISMS_BOUND: Final = (scram.NAME_PLUS, *MECHANISMS)

# What a wrong password, an unknown name and one who may not log in are told alike: many mail programs show it.
WRONG: Final = Failed("wrong name or password; with a second factor an app password is needed", malformed=False)

_NOT_EMPTY: Final = Failed("the last answer of SCRAM is empty")

_EXPORTER: Final = b"EXPORTER-Channel-Binding"  # RFC 9266 §2
_BINDING_OCTETS: Final = 32


class Authentication:
    """One exchange, from the choice of a mechanism to its end.

    ``mechanism`` is one of `MECHANISMS_BOUND`, ``peer`` the client's IP address, ``binding`` what `channel_binding`
    gave for its connection. ``name`` is whom the client says to be, for the log.
    """

    def __init__(self, login: UserLogin, mechanism: str, peer: str, binding: bytes | None = None) -> None:
        self.name = ""
        self._login = login
        self._peer = peer
        self._exchange = _exchange(login, mechanism, binding)
        self._keys: list[Keys] = []  # of which the client was shown what they have in common
        self._proven: User | None = None

    async def receive(self, message: bytes | None) -> Challenge | User | Failed:
        """Takes the client's next message, decoded; None where it began without an initial response.

        Returns what to send to it, the user who has logged in, or why the exchange failed. Raises Temporary where
        that cannot be told now.
        """
        if self._proven is not None:  # a protocol without room for data in its success has them acknowledged first
            return await self._login.still(self._proven) or WRONG if not message else _NOT_EMPTY
        if self._keys:
            return await self._final(self._keys, message or b"")
        step = self._exchange.receive(message)
        match step:
            case Password(name, password):
                self.name = name
                return await self._login.check(name, password, self._peer, by_device=True) or WRONG
            case Lookup(name):
                self.name = name
                assert isinstance(self._exchange, Scram)
                self._keys = await self._login.keys(name)
                return self._exchange.found(*self._keys)
            case Challenge() | Failed():
                return step
        raise AssertionError(step)

    async def _final(self, keys: list[Keys], message: bytes) -> Challenge | Failed:
        """The proof is looked at when the throttle lets it be, and not before."""
        step: Step | None = None

        def proves() -> Keys | None:
            nonlocal step
            step = self._exchange.receive(message)
            return keys[step.which] if isinstance(step, Proven) else None

        user = await self._login.prove(self.name, message, self._peer, proves)
        if user is None or not isinstance(step, Proven):
            return step if isinstance(step, Failed) and step.malformed else WRONG
        self._proven = user
        return Challenge(step.data)


def mechanisms(transport: Any) -> tuple[str, ...]:
    """Returns the names of the mechanisms that a door may offer on this connection, in their order."""
    return MECHANISMS_BOUND if _connection(transport) is not None else MECHANISMS


def channel_binding(transport: Any) -> bytes | None:
    """Returns what both ends of this TLS connection know and nobody between them (tls-exporter, RFC 9266 §2).

    None: there is no TLS, its handshake is under way, or it is older than 1.3.
    """
    connection = _connection(transport)
    return connection.export_keying_material(_EXPORTER, _BINDING_OCTETS, b"") if connection is not None else None


def _connection(transport: Any) -> SSL.Connection | None:
    """Of TLS 1.3: in 1.2 the binding holds only with an extension (RFC 7627) that pyOpenSSL does not tell of."""
    handle = getattr(transport, "getHandle", None)
    connection = handle() if handle is not None else None
    if not isinstance(connection, SSL.Connection) or connection.get_peer_finished() is None:
        return None  # no TLS, or its handshake is under way
    return connection if connection.get_protocol_version() >= SSL.TLS1_3_VERSION else None


def _exchange(login: UserLogin, mechanism: str, binding: bytes | None) -> Exchange:
    if mechanism == "PLAIN":
        return Plain()
    if mechanism == "LOGIN":
        return LoginExchange()
    return Scram(login.randomness.bytes, binding=binding, plus=mechanism == scram.NAME_PLUS)
