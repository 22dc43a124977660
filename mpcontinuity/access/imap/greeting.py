"""CAPABILITY, ID, ENABLE, NAMESPACE, NOOP, LOGOUT: what any server says of itself."""

from __future__ import annotations

from twisted.logger import Logger

from mpcontinuity import __version__
from mpcontinuity.access.imap.session import ImapSession, Status, ok
from mpcontinuity.protocols.imap import command, response

_log = Logger()

# SASL-IR: RFC 4959; ID: RFC 2971; ENABLE: RFC 5161.
_ANY = b"IMAP4rev1 SASL-IR ID ENABLE"
# RFC 7888 §6: LITERAL- says what limits.py grants a stranger.
_BEFORE = _ANY + b" LITERAL-"
# NAMESPACE: RFC 2342; UNSELECT: RFC 3691; CHILDREN: RFC 3348; STATUS=SIZE: RFC 8438;
# OBJECTID: RFC 8474; THREAD: RFC 5256.
_AFTER = (
    _ANY + b" LITERAL+ IDLE NAMESPACE UIDPLUS MOVE UNSELECT CHILDREN SPECIAL-USE LIST-EXTENDED LIST-STATUS "
    b"STATUS=SIZE OBJECTID THREAD=ORDEREDSUBJECT THREAD=REFERENCES ESEARCH "
    b"QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE QUOTA=RES-MAILBOX APPENDLIMIT=%d"
)
_ID = b'* ID ("name" "mpcontinuity" "version" %s)\r\n' % response.quoted(__version__.encode("ascii"))


def capabilities(session: ImapSession) -> bytes:
    """Returns the capabilities that can be used now; they change with TLS and with the login."""
    if session.login.user is not None:
        return _AFTER % session.services.limits.message_size
    known = _BEFORE
    if not session.connection.secure and session.services.tls is not None:
        known += b" STARTTLS"
    if not session.connection.may_log_in:
        return known + b" LOGINDISABLED"
    return known + b"".join(b" AUTH=" + name.encode("ascii") for name in session.login.mechanisms())


async def capability(session: ImapSession, asked: command.Capability) -> Status:
    """Does CAPABILITY."""
    session.send(b"* CAPABILITY " + capabilities(session) + response.CRLF)
    return ok("that is all")


async def identify(session: ImapSession, asked: command.Id) -> Status:
    """Does ID (RFC 2971): writes what the client says of itself into the log, and says who we are."""
    client = " ".join(f"{name}={value}" for name, value in asked.fields)
    _log.info("client says {client!r}", session=session.name, client=client[:200])
    session.send(_ID)
    return ok("pleased to meet you")


async def enable(session: ImapSession, asked: command.Enable) -> Status:
    """Does ENABLE (RFC 5161). No extension that is offered needs it, so nothing is enabled."""
    session.send(b"* ENABLED\r\n")  # nothing here needs it
    return ok("done")


async def namespace(session: ImapSession, asked: command.Namespace) -> Status:
    """Does NAMESPACE (RFC 2342): there is one, without a prefix."""
    session.send(b'* NAMESPACE (("" "%s")) NIL NIL\r\n' % response.SEPARATOR.encode("ascii"))
    return ok("one namespace")


async def noop(session: ImapSession, asked: command.Noop) -> Status:
    """Does NOOP. What is news is told behind every command; of `Email Archive` it is asked for here."""
    await session.look_into_archive()
    return ok("nothing done")


async def logout(session: ImapSession, asked: command.Logout) -> Status:
    """Does LOGOUT."""
    session.send(response.status(b"*", b"BYE", "see you"))
    session.ending = True
    return ok("logged out")
