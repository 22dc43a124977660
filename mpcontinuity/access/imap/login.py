"""STARTTLS, LOGIN, AUTHENTICATE (RFC 3501 §6.2)."""

from __future__ import annotations

import base64

from mpcontinuity.access.imap.greeting import capabilities
from mpcontinuity.access.imap.session import ImapSession, Status, no, ok
from mpcontinuity.accounts.users import User
from mpcontinuity.protocols.imap import command, response
from mpcontinuity.protocols.imap.engine import Answer
from mpcontinuity.protocols.sasl.exchange import Challenge, Failed


async def start_tls(session: ImapSession, asked: command.StartTls) -> Status | None:
    """Does STARTTLS."""
    if session.connection.secure:
        return Status(b"BAD", "TLS is on already")
    if session.services.tls is None:
        return Status(b"BAD", "there is no certificate here")
    session.engine.complete(b"OK", "begin TLS now")
    session.connection.start_tls()
    return None


async def login(session: ImapSession, asked: command.Login) -> Status | None:
    """Does LOGIN."""
    return _refusal(session) or _step(session, await session.login.check(asked.name, asked.password))


async def authenticate(session: ImapSession, asked: command.Authenticate) -> Status | None:
    """Does AUTHENTICATE: begins an exchange of SASL."""
    refusal = _refusal(session)
    if refusal is not None:
        return refusal
    known = session.login.mechanisms()
    if asked.mechanism not in known:
        return no(f"mechanisms here: {' '.join(known)}", b"CANNOT")
    return _step(session, await session.login.begin(asked.mechanism, asked.initial))


async def answer(session: ImapSession, given: Answer) -> Status | None:
    """Goes on with AUTHENTICATE by the client's answer to a challenge."""
    if given.data is None:
        session.login.forget()
        return Status(b"BAD", "cancelled")
    return _step(session, await session.login.answer(given.data))


def _step(session: ImapSession, step: Challenge | User | Failed) -> Status | None:
    if isinstance(step, Challenge):
        session.engine.challenge(base64.b64encode(step.data))
        return None
    if not isinstance(step, Failed):
        session.log_in(step)
        return ok("logged in", b"CAPABILITY " + capabilities(session))
    if step.malformed:
        return Status(b"BAD", step.reason)
    if session.login.exhausted:
        session.send(response.status(b"*", b"BYE", "too many wrong passwords"))
        session.ending = True
        return no("too many wrong passwords", b"AUTHENTICATIONFAILED")
    return no(step.reason, b"AUTHENTICATIONFAILED")


def _refusal(session: ImapSession) -> Status | None:
    if session.connection.may_log_in:
        return None
    how = "STARTTLS" if session.services.tls is not None else "the port with TLS"
    return no(f"use {how} before you send a password", b"PRIVACYREQUIRED")
