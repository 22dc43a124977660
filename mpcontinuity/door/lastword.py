"""Why a server ends a connection by itself, as the client is told; each door says it in the terms of its protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class LastWord:
    """A reason to end a connection.

    ``text`` is English without a capital letter or full stop. ``status`` is the enhanced status code (RFC 3463) that
    SMTP adds to its 421; IMAP says the text as BYE, POP3 as -ERR.
    """

    text: str
    status: str = "4.7.0"


STOPPING: Final = LastWord("the server stops", "4.3.2")
SILENT: Final = LastWord("nothing was heard for too long", "4.4.2")
TOO_MANY_COMMANDS: Final = LastWord("too many commands from your host, try again later")
ACCOUNT_CLOSED: Final = LastWord("the account was closed")
APP_PASSWORD_REMOVED: Final = LastWord("the app password was removed")
PASSWORD_CHANGED: Final = LastWord("the password was changed")
APP_PASSWORD_NEEDED: Final = LastWord("a second factor was turned on, and an app password is needed")
EVICTED: Final = LastWord("another session took the maildrop")
