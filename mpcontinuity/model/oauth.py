"""How access tokens of OAuth 2 are got: by client credentials (RFC 6749 §4.4), or by a key of a service account."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

FORM = '"https://CLIENT-ID:SECRET@HOST/PATH?scope=SCOPE", or the whole path of a service account\'s key (JSON)'
_LONGEST = 4000  # characters: a secret of Microsoft's has 40, a path with a tenant's id 60


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """A client with an id and a secret. ``url`` is that of the token endpoint, without them."""

    url: str
    client: str
    secret: str = field(repr=False)
    scope: str = ""


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A key in a file of the server, as Google makes them, that may act for each user of a domain (RFC 7523)."""

    path: str


OAuth = ClientCredentials | ServiceAccount


def parse(text: str) -> OAuth:
    """Returns what the text says. Raises ValueError, whose text says what is wrong and shows no secret."""
    if len(text) > _LONGEST:
        raise ValueError(f"has more than {_LONGEST} characters")
    if not text.isprintable():
        raise ValueError("has a control character")
    if text.startswith("/"):
        return ServiceAccount(text)
    if " " in text:
        raise ValueError("has a blank; write it as %20")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"must be {FORM}") from None
    if host is None or port == 0 or parts.scheme != "https":
        raise ValueError(f"must be {FORM}")
    if not parts.username or parts.password in (None, "", "…"):  # as `domain show` has it
        raise ValueError(
            "has no CLIENT-ID:SECRET@ before the host; / ? # and @ in a secret are written as %2F and the like"
        )
    query = parse_qs(parts.query)
    if parts.fragment or set(query) - {"scope"} or len(query.get("scope", ())) > 1:
        raise ValueError('behind the "?" may stand scope=SCOPE alone')
    place = f"[{host}]" if ":" in host else host
    url = urlunsplit(("https", f"{place}:{port}" if port else place, parts.path or "/", "", ""))
    scope = query.get("scope", [""])[0]
    return ClientCredentials(url, unquote(parts.username), unquote(parts.password or ""), scope)
