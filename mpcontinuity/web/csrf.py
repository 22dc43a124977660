"""Forms that other sites send in a browser's name are told from ours: by a token, and by where they come from."""

from __future__ import annotations

import base64
import hmac
from typing import Final
from urllib.parse import urlsplit

from mpcontinuity.web.asked import Asked

_PURPOSE: Final = b"form"


def token_of(secret: bytes) -> str:
    """Returns the token of the forms of whoever has that secret in a cookie; it does not tell the secret."""
    return base64.urlsafe_b64encode(hmac.digest(secret, _PURPOSE, "sha256")).decode().rstrip("=")


def is_right(secret: bytes, sent: str) -> bool:
    """Says whether ``sent`` is the token of that secret."""
    return hmac.compare_digest(token_of(secret).encode(), sent.encode("utf-8", "surrogatepass"))


def same_origin(asked: Asked) -> bool:
    """Says whether the browser sent the request from a page of this very host and port, as far as it says so.

    Browsers say it by Sec-Fetch-Site (https://www.w3.org/TR/fetch-metadata/), older ones by Origin, which no page can
    make up. A client that says neither is no browser.
    """
    site = asked.header("sec-fetch-site")
    if site:
        return site == "same-origin"
    origin = asked.header("origin")
    if not origin:
        return True
    try:
        return urlsplit(origin).netloc.lower() == asked.host.lower() != ""
    except ValueError:
        return False


def is_ours(asked: Asked, secret: str) -> bool:
    """Says whether a request that changes something was sent from a page of ours, and made for whoever has that secret
    in a cookie.

    A form has the token in its field ``csrf``, a script sends it as X-CSRF-Token.
    """
    sent = asked.form.get("csrf") or asked.header("x-csrf-token")
    return bool(secret) and same_origin(asked) and is_right(secret.encode(), sent)
