"""Access tokens: asked for once, kept as long as they hold, and told to nobody."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from twisted.internet.defer import Deferred

from mpcontinuity.model import oauth
from mpcontinuity.model.clock import SECOND
from mpcontinuity.outbound.https import Answer, Unanswered
from mpcontinuity.outbound.imap.tokens import NoToken, Tokens, read_key
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result

CREDENTIALS = oauth.parse("https://client:geheim@login.example/token?scope=mail")


class Endpoint:
    """Answers as it is told, and notes what it was asked."""

    def __init__(self, body: Any = None, status: int = 200) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.status = status
        self.body: bytes = body if isinstance(body, bytes) else msgspec.json.encode(body or {"access_token": "t1"})
        self.failure: Exception | None = None
        self.waiting: Deferred[None] | None = None

    async def ask(self, method: str, url: str, *, body: bytes, **_: Any) -> Answer:
        assert method == "POST"
        self.asked.append((url, {key: value[0] for key, value in parse_qs(body.decode()).items()}))
        if self.waiting is not None:
            await self.waiting
        if self.failure is not None:
            raise self.failure
        return Answer(self.status, {}, self.body)


def tokens(endpoint: Endpoint, clock: ManualClock) -> Tokens:
    https: Any = endpoint
    return Tokens(https, clock)


def test_a_token_is_asked_for_by_client_credentials_and_kept_until_shortly_before_its_end(clock: ManualClock) -> None:
    endpoint = Endpoint({"access_token": "t1", "expires_in": 3600})
    kept = tokens(endpoint, clock)
    assert [result(kept.of(CREDENTIALS, user)) for user in ("anna@a.example", "ben@a.example")] == ["t1", "t1"]
    form = {"grant_type": "client_credentials", "client_id": "client", "client_secret": "geheim", "scope": "mail"}
    assert endpoint.asked == [("https://login.example/token", form)]
    clock.advance(3600 - 121)
    result(kept.of(CREDENTIALS, "anna@a.example"))
    assert len(endpoint.asked) == 1
    clock.advance(2)
    result(kept.of(CREDENTIALS, "anna@a.example"))
    assert len(endpoint.asked) == 2


def test_who_asks_meanwhile_gets_the_same_token(clock: ManualClock) -> None:
    endpoint = Endpoint()
    endpoint.waiting = Deferred()
    kept = tokens(endpoint, clock)
    both = [Deferred.fromCoroutine(kept.of(CREDENTIALS, "anna@a.example")) for _ in range(2)]
    endpoint.waiting.callback(None)
    assert [one.result for one in both] == ["t1", "t1"]
    assert len(endpoint.asked) == 1


def test_a_token_that_was_refused_is_forgotten(clock: ManualClock) -> None:
    endpoint = Endpoint({"access_token": "t1", "expires_in": 3600})
    kept = tokens(endpoint, clock)
    result(kept.of(CREDENTIALS, "anna@a.example"))
    kept.forget(CREDENTIALS)
    result(kept.of(CREDENTIALS, "anna@a.example"))
    assert len(endpoint.asked) == 2


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (
            400,
            {"error": "invalid_client", "error_description": "geheim is\r\nwrong"},
            "400: invalid_client *** is  wrong",
        ),
        (200, {"error": "what"}, "200: what"),
        (200, b"<html>", "200: what it says is no token of OAuth 2"),
        (200, {"access_token": ""}, "200: "),
        (200, {"access_token": "a b"}, "200: "),
        (200, {"access_token": "t\r\nx"}, "200: "),
        (200, {"access_token": "t" * 20_000}, "200: "),
        (302, b"", "302: what it says is no token of OAuth 2"),
    ],
)
def test_what_is_no_token_is_told_in_one_line(status: int, body: Any, words: str, clock: ManualClock) -> None:
    with pytest.raises(NoToken) as error:
        result(tokens(Endpoint(body, status), clock).of(CREDENTIALS, "anna@a.example"))
    assert str(error.value).startswith(f"no token, {words}")
    assert str(error.value).isprintable()


def test_an_endpoint_that_does_not_answer_is_asked_again(clock: ManualClock) -> None:
    endpoint = Endpoint()
    endpoint.failure = Unanswered("login.example:443: no answer within 20 s")
    kept = tokens(endpoint, clock)
    with pytest.raises(NoToken, match="no answer within 20 s"):
        result(kept.of(CREDENTIALS, "anna@a.example"))
    endpoint.failure = None
    assert result(kept.of(CREDENTIALS, "anna@a.example")) == "t1"


@pytest.fixture(scope="module")
def key() -> Any:
    return generate_private_key(65537, 2048)


def key_file(folder: Path, key: Any, **changed: str) -> Path:
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    content = {"client_email": "robot@p.example", "private_key": secret, "token_uri": "https://oauth2.example/token"}
    path = folder / "key.json"
    path.write_bytes(msgspec.json.encode({"type": "service_account", **content, **changed}))
    return path


def test_a_service_account_signs_for_each_user(tmp_path: Path, key: Any, clock: ManualClock) -> None:
    endpoint = Endpoint({"access_token": "t1", "expires_in": 3600})
    kept = tokens(endpoint, clock)
    account = oauth.parse(str(key_file(tmp_path, key)))
    for user in ("anna@a.example", "ben@a.example", "anna@a.example"):
        result(kept.of(account, user))
    assert [url for url, _ in endpoint.asked] == ["https://oauth2.example/token"] * 2
    form = endpoint.asked[0][1]
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    head, claims, signature = (base64.urlsafe_b64decode(part + "==") for part in form["assertion"].split("."))
    assert msgspec.json.decode(head) == {"alg": "RS256", "typ": "JWT"}
    now = clock.now() // SECOND
    assert msgspec.json.decode(claims) == {
        "iss": "robot@p.example",
        "sub": "anna@a.example",
        "scope": "https://mail.google.com/",
        "aud": "https://oauth2.example/token",
        "iat": now,
        "exp": now + 600,
    }
    signed = form["assertion"].rpartition(".")[0].encode()
    key.public_key().verify(signature, signed, PKCS1v15(), SHA256())


def test_a_file_that_is_no_key_is_told(tmp_path: Path, key: Any) -> None:
    for changed, words in (
        ({"token_uri": "http://oauth2.example"}, "token_uri must begin with https://"),
        ({"private_key": "geheim"}, "its private_key cannot be read"),
        ({"client_email": 5}, "has no client_email"),
    ):
        with pytest.raises(NoToken, match=words) as error:
            read_key(str(key_file(tmp_path, key, **changed)))
        assert "geheim" not in str(error.value)
    with pytest.raises(NoToken, match="cannot read it"):
        read_key(str(tmp_path / "nowhere"))
