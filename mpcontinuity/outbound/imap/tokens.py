"""Access tokens of OAuth 2 for a home's IMAP server: asked for once, and kept as long as they hold."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from urllib.parse import urlencode

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from twisted.internet.defer import DeferredLock

from mpcontinuity.model.clock import SECOND, Clock
from mpcontinuity.model.oauth import OAuth, ServiceAccount
from mpcontinuity.outbound.https import HttpsClient, Unanswered
from mpcontinuity.protocols.imap.answer import printable

# Google's word for all of a user's mail by IMAP; another scope is refused for it.
GOOGLE_SCOPE = "https://mail.google.com/"
_FORM = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_ASSERTION_LASTS = 600  # seconds; Google takes up to an hour
_EARLY = 120  # seconds before its end a token is asked for anew: a session begins with it, and clocks differ
_SHORTEST = 60  # seconds for which a token is kept that ends sooner, or whose end is not told
_LONGEST = 86_400
_MOST_KEPT = 10_000  # tokens: with a service account each user has one
_MOST = 64 << 10  # octets of an answer
_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}")  # RFC 6750 §2.1 has fewer characters; Microsoft's have some 2,000


class NoToken(Exception):
    """Raised where there is no token; the text is one line without secrets, for tracking and the log."""


class _Key(msgspec.Struct, frozen=True):
    """What is needed of the file that Google gives for a service account."""

    client_email: str
    private_key: str
    token_uri: str


class _Token(msgspec.Struct, frozen=True):
    """RFC 6749 §5.1."""

    access_token: str
    expires_in: float = 0


class _Error(msgspec.Struct, frozen=True):
    """RFC 6749 §5.2."""

    error: str = ""
    error_description: str = ""


class Tokens:
    """The tokens of all domains. It lives in the reactor thread."""

    def __init__(self, https: HttpsClient, clock: Clock) -> None:
        self._https = https
        self._clock = clock
        self._kept: dict[tuple[OAuth, str], tuple[int, str]] = {}  # with the µs until which each is used
        self._locks: dict[OAuth, DeferredLock] = {}

    async def of(self, oauth: OAuth, user: str) -> str:
        """Returns a token with which the mailboxes of ``user``, an address, are opened. Raises NoToken."""
        key = (oauth, user if isinstance(oauth, ServiceAccount) else "")
        lock = self._locks.setdefault(oauth, DeferredLock())
        await lock.acquire()  # who waits finds the token that the one before has asked for
        try:
            until, token = self._kept.get(key, (0, ""))
            if until > self._clock.now():
                return token
            told = await self._asked(oauth, user)
            lasts = min(max(told.expires_in - _EARLY, _SHORTEST), _LONGEST)
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[key] = self._clock.now() + int(lasts * SECOND), told.access_token
            return told.access_token
        finally:
            lock.release()

    def forget(self, oauth: OAuth) -> None:
        """Forgets the tokens that were got so: one was refused."""
        self._kept = {key: kept for key, kept in self._kept.items() if key[0] != oauth}

    async def _asked(self, oauth: OAuth, user: str) -> _Token:
        url, form, secrets = self._question(oauth, user)
        try:
            answer = await self._https.ask(
                "POST", url, headers=_FORM, body=urlencode(form).encode(), most=_MOST, private=True
            )
        except (Unanswered, ValueError) as error:
            raise NoToken(f"no token: {error}") from None
        try:
            if answer.status == 200:
                token = msgspec.json.decode(answer.body, type=_Token, strict=False)
                if _TOKEN.fullmatch(token.access_token):
                    return token
            told = msgspec.json.decode(answer.body, type=_Error, strict=False)
            said = " ".join(part for part in (told.error, told.error_description) if part)
        except msgspec.MsgspecError:
            said = "what it says is no token of OAuth 2"
        for secret in secrets:
            said = said.replace(secret, "***")
        raise NoToken(f"no token, {answer.status}: {printable(said.encode())}")

    def _question(self, oauth: OAuth, user: str) -> tuple[str, dict[str, str], list[str]]:
        """The endpoint, what is asked, and what of it nobody is shown."""
        if isinstance(oauth, ServiceAccount):
            key = read_key(oauth.path)
            assertion = _assertion(key, user, self._clock.now() // SECOND)
            return key.token_uri, {"grant_type": _JWT_BEARER, "assertion": assertion}, [assertion]
        form = {
            "grant_type": "client_credentials",
            "client_id": oauth.client,
            "client_secret": oauth.secret,
        }
        if oauth.scope:
            form["scope"] = oauth.scope
        return oauth.url, form, [oauth.secret]


def read_key(path: str) -> _Key:
    """Returns the key of a service account in a JSON file. Raises NoToken."""
    try:
        key = msgspec.json.decode(Path(path).read_bytes(), type=_Key)
    except OSError as error:
        raise NoToken(f"{path}: the server cannot read it: {error.strerror}") from None
    except (msgspec.MsgspecError, ValueError):
        raise NoToken(
            f"{path}: has no client_email, private_key and token_uri, as the key of a service account"
        ) from None
    _private_key(key, path)
    if not key.token_uri.startswith("https://"):
        raise NoToken(f"{path}: token_uri must begin with https://")
    return key


def _private_key(key: _Key, path: str = "the key file") -> RSAPrivateKey:
    try:
        loaded = load_pem_private_key(key.private_key.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise NoToken(f"{path}: its private_key cannot be read") from None
    if not isinstance(loaded, RSAPrivateKey):
        raise NoToken(f"{path}: its private_key is not of RSA")
    return loaded


def _assertion(key: _Key, user: str, now: int) -> str:
    """RFC 7523 §3, signed as RFC 7518 §3.3 says (RS256)."""
    claims = {
        "iss": key.client_email,
        "sub": user,
        "scope": GOOGLE_SCOPE,
        "aud": key.token_uri,
        "iat": now,
        "exp": now + _ASSERTION_LASTS,
    }
    parts = [_base64(msgspec.json.encode(part)) for part in ({"alg": "RS256", "typ": "JWT"}, claims)]
    signature = _private_key(key).sign(b".".join(parts), PKCS1v15(), SHA256())
    return b".".join([*parts, _base64(signature)]).decode("ascii")


def _base64(octets: bytes) -> bytes:
    return base64.urlsafe_b64encode(octets).rstrip(b"=")
