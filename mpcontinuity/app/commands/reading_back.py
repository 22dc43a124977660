"""`domain test --read-back`: what became of the test messages in the home server's mailbox, by IMAP as any client."""

from __future__ import annotations

import email
import imaplib
import re
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from email import policy
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from mpcontinuity.model.errors import Refused

_WITHIN = 60.0  # s in which home files a message
_AGAIN = 2.0  # s
_TIMEOUT = 20.0  # s of a connection
_LISTED = re.compile(rb'\(([^)]*)\) (?:"[^"]*"|NIL) (.+)')

# Where mail servers write what they think of a message.
_SAYS = (
    *("authentication-results", "received-spf", "x-spam-flag", "x-spam-status", "x-spam-score"),
    *("x-ms-exchange-organization-scl", "x-forefront-antispam-report"),
)


def read_back(where: str, wanted: Sequence[str], *, within: float = _WITHIN) -> list[dict[str, Any]]:
    """Looks for messages in all folders of a mailbox at the home server, for ``within`` seconds at most.

    ``where`` is ``imaps://user:password@host[:port]``, or ``imap://``, where TLS is begun if that is offered. Returns
    for each Message-ID of ``wanted`` the folder it was found in (empty: in none) and the lines of its header that say
    what home thinks of it. Raises Refused where home cannot be read.
    """
    session = _open(where)
    try:
        found: dict[str, dict[str, Any]] = {}
        until = time.monotonic() + within
        while True:
            for folder in _folders(session):
                for message_id in wanted:
                    if message_id not in found:
                        row = _look(session, folder, message_id)
                        if row is not None:
                            found[message_id] = row
            if len(found) == len(wanted) or time.monotonic() > until:
                break
            time.sleep(_AGAIN)
        return [found.get(message_id, {"folder": "", "says": []}) for message_id in wanted]
    except (imaplib.IMAP4.error, OSError) as error:
        raise Refused(f"--read-back: {_why(error)}") from None
    finally:
        try:
            session.logout()
        except (imaplib.IMAP4.error, OSError):
            session.shutdown()


def user_of(where: str) -> str:
    """Returns the user's name in the URL; it is empty where there is none."""
    return unquote(urlsplit(where).username or "")


def with_password(where: str, password: str) -> str:
    """Returns the URL with this password in it."""
    scheme, mark, rest = where.partition("://")
    user, at, host = rest.rpartition("@")
    return f"{scheme}{mark}{user.partition(':')[0]}:{quote(password, safe='')}{at}{host}"


def _open(where: str) -> imaplib.IMAP4:
    try:
        parts = urlsplit(where)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
        parts = urlsplit("")
    if parts.scheme not in ("imap", "imaps") or not host or parts.username is None or parts.password is None:
        raise Refused("--read-back: write it as imaps://user:password@host, with @ in the user's name as %40")
    # Whose home server it is, the administrator knows; its certificate is often its own.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        session: imaplib.IMAP4
        if parts.scheme == "imaps":
            session = imaplib.IMAP4_SSL(host, port or 993, ssl_context=context, timeout=_TIMEOUT)
        else:
            session = imaplib.IMAP4(host, port or 143, timeout=_TIMEOUT)
            if "STARTTLS" in session.capabilities:
                session.starttls(context)
        session.login(unquote(parts.username), unquote(parts.password))
    except (imaplib.IMAP4.error, OSError) as error:
        raise Refused(f"--read-back: {host}: {_why(error)}") from None
    return session


def _folders(session: imaplib.IMAP4) -> Iterator[str]:
    """INBOX first, and all that can be selected."""
    _, listed = session.list()
    names = []
    for line in listed:
        match = _LISTED.fullmatch(line) if isinstance(line, bytes) else None
        if match and rb"\Noselect" not in match[1]:
            names.append(match[2].decode("ascii", "replace"))
    yield from sorted(names or ["INBOX"], key=lambda name: name.strip('"').upper() != "INBOX")


def _look(session: imaplib.IMAP4, folder: str, message_id: str) -> dict[str, Any] | None:
    if session.select(folder, readonly=True)[0] != "OK":
        return None
    _, numbers = session.search(None, "HEADER", "Message-ID", f'"{message_id}"')
    last = numbers[0].split()[-1:] if numbers and numbers[0] else []
    if not last:
        return None
    _, data = session.fetch(last[0].decode(), "(BODY.PEEK[HEADER])")
    header = next((part[1] for part in data if isinstance(part, tuple)), b"")
    message = email.message_from_bytes(header, policy=policy.compat32)
    says = [f"{name}: {' '.join(str(value).split())}" for name, value in message.items() if name.lower() in _SAYS]
    return {"folder": folder.strip('"'), "says": says}


def _why(error: BaseException) -> str:
    if isinstance(error, socket.gaierror):
        return "no such host"
    text = error.args[0] if error.args and isinstance(error.args[0], bytes) else str(error)
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text
