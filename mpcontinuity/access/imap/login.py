"""STARTTLS, LOGIN, AUTHENTICATE."""

from __future__ import annotations

import base64

from twisted.logger import Logger

from mpcontinuity.access.imap.greeting import capabilities, may_log_in
from mpcontinuity.access.imap.services import WRONG_PASSWORDS
from mpcontinuity.access.imap.session import Session, Status, no, ok
from mpcontinuity.accounts.authentication import WRONG, Authentication, channel_binding, mechanisms
from mpcontinuity.accounts.directory import User
from mpcontinuity.protocols.imap import command, response
from mpcontinuity.protocols.imap.engine import Answer
from mpcontinuity.protocols.sasl.exchange import Challenge, Failed

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
    known = mechanisms(session.transport)
    if asked.mechanism not in known:
        return no(f"mechanisms here: {' '.join(known)}", b"CANNOT")
    binding = channel_binding(session.transport)
    session.exchange = Authentication(session.services.login, asked.mechanism, session.peer, binding)
    return await _step(session, asked.initial)


async def answer(session: Session, given: Answer) -> Status | None:
    if given.data is None:
        session.exchange = None
        return Status(b"BAD", "cancelled")
    return await _step(session, given.data)


async def _step(session: Session, message: bytes | None) -> Status | None:
    exchange = session.exchange
    assert exchange is not None
    step = await exchange.receive(message)
    if isinstance(step, Challenge):
        session.engine.challenge(base64.b64encode(step.data))
        return None
    session.exchange = None
    if isinstance(step, Failed):
        if step.malformed:
            return Status(b"BAD", step.reason)
        return _wrong(session, exchange.name, step.reason)
    return _logged_in(session, step)


def _refusal(session: Session) -> Status | None:
    if may_log_in(session):
        return None
    how = "STARTTLS" if session.services.tls is not None else "the port with TLS"
    return no(f"use {how} before you send a password", b"PRIVACYREQUIRED")


async def _check(session: Session, name: str, password: str) -> Status:
    user = await session.services.login.check(name, password, session.peer)
    return _logged_in(session, user) if user is not None else _wrong(session, name, WRONG.reason)


def _wrong(session: Session, name: str, reason: str) -> Status:
    session.wrong_passwords += 1
    if session.share.refusal():
        _log.info("login of {user!r} from {peer} failed", session=session.name, user=name[:200], peer=session.peer)
    if session.wrong_passwords >= WRONG_PASSWORDS:
        session.send(response.status(b"*", b"BYE", "too many wrong passwords"))
        session.ending = True
        return no("too many wrong passwords", b"AUTHENTICATIONFAILED")
    return no(reason, b"AUTHENTICATIONFAILED")


def _logged_in(session: Session, user: User) -> Status:
    session.log_in(user)
    _log.info("login of {user!r} from {peer}", session=session.name, user=user.address, peer=session.peer)
    return ok("logged in", b"CAPABILITY " + capabilities(session))
