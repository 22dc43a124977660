"""STARTTLS, LOGIN, AUTHENTICATE."""

from __future__ import annotations

from twisted.logger import Logger

from mpcontinuity.access.imap.greeting import capabilities, may_log_in
from mpcontinuity.access.imap.services import WRONG_PASSWORDS
from mpcontinuity.access.imap.session import Session, Status, no, ok
from mpcontinuity.protocols.imap import command, response
from mpcontinuity.protocols.imap.engine import Answer

_log = Logger()


async def start_tls(session: Session, asked: command.StartTls) -> Status | None:
    if session.secure:
        return Status(b"BAD", "TLS is on already")
    if session.services.tls is None:
        return Status(b"BAD", "there is no certificate here")
    session.engine.complete(b"OK", "begin TLS now")
    session.start_tls()
    return None


async def login(session: Session, asked: command.Login) -> Status:
    refusal = _refusal(session)
    return refusal or await _check(session, asked.name, asked.password)


async def authenticate(session: Session, asked: command.Authenticate) -> Status | None:
    refusal = _refusal(session)
    if refusal is not None:
        return refusal
    if asked.mechanism != "PLAIN":
        return no("the one mechanism here is PLAIN", b"CANNOT")
    if asked.initial is None:
        session.engine.challenge()
        return None
    return await _plain(session, asked.initial)


async def answer(session: Session, given: Answer) -> Status:
    if given.data is None:
        return Status(b"BAD", "cancelled")
    return await _plain(session, given.data)


async def _plain(session: Session, message: bytes) -> Status:
    """RFC 4616: authorization identity, name and password, with NUL between them."""
    try:
        identity, name, password = message.decode("utf-8").split("\0")
    except ValueError:
        return Status(b"BAD", "that is no message of PLAIN")
    if identity and identity.lower() != name.lower():
        return no("nobody acts for another here", b"AUTHORIZATIONFAILED")
    return await _check(session, name, password)


def _refusal(session: Session) -> Status | None:
    if may_log_in(session):
        return None
    how = "STARTTLS" if session.services.tls is not None else "the port with TLS"
    return no(f"use {how} before you send a password", b"PRIVACYREQUIRED")


async def _check(session: Session, name: str, password: str) -> Status:
    user = await session.services.login.check(name, password, session.peer)
    if user is None:
        session.wrong_passwords += 1
        _log.info("login of {user!r} from {peer} failed", session=session.name, user=name[:200], peer=session.peer)
        if session.wrong_passwords >= WRONG_PASSWORDS:
            session.send(response.status(b"*", b"BYE", "too many wrong passwords"))
            session.ending = True
            return no("too many wrong passwords", b"AUTHENTICATIONFAILED")
        return no("wrong name or password", b"AUTHENTICATIONFAILED")
    session.log_in(user)
    _log.info("login of {user!r} from {peer}", session=session.name, user=user.address, peer=session.peer)
    return ok("logged in", b"CAPABILITY " + capabilities(session))
