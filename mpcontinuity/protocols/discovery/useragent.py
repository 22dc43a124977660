"""The user agent configuration of draft-ietf-mailmaint-pacc, by which mail programs are to be set up in the future."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Final

from mpcontinuity.model import public
from mpcontinuity.model.settings import Settings

PATH: Final = "/.well-known/user-agent-configuration.json"
CONTENT_TYPE: Final = "application/json"
SETUP: Final = "/setup"  # the page for people

_LONGEST_NAME: Final = 60  # characters, by the draft

# Names of protocols, with the only ports that the draft has: those of TLS from the first octet. Draft 02 says "smtp"
# where draft 03 says "submit"; who does not know a name passes over it.
_PROTOCOLS: Final = {"IMAP": (993, ("imap",)), "POP3": (995, ("pop3",)), "SMTP": (465, ("smtp", "submit"))}


def document(settings: Settings) -> bytes | None:
    """Returns the configuration, in JSON, the same octets each time; None where mail is read, or sent, at no port that
    it can tell of.
    """
    protocols: dict[str, dict[str, str]] = {}
    for place in public.places(settings):
        port, names = _PROTOCOLS[place.protocol]
        if (place.port, place.security) == (port, "SSL/TLS"):
            protocols.update({name: {"host": place.host} for name in names})
    if not protocols.keys() & {"imap", "pop3"} or "submit" not in protocols:
        return None
    info: dict[str, object] = {"provider": {"name": public.host(settings)[:_LONGEST_NAME]}}
    page = public.url(settings, SETUP)
    if page is not None:
        info["help"] = {"documentation": page}
    whole = {"protocols": protocols, "authentication": {"password": True}, "info": info}
    return json.dumps(whole, separators=(",", ":"), sort_keys=True).encode()


def record(body: bytes) -> str:
    """Returns the text of the TXT record that vouches for the document: without it, or with another, nobody uses it."""
    return f"v=UAAC1; a=sha256; d={base64.b64encode(hashlib.sha256(body).digest()).decode()}"
