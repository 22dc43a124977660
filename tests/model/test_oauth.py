"""How access tokens are got, as administrators write it."""

from __future__ import annotations

import pytest

from mpcontinuity.model import oauth
from mpcontinuity.model.oauth import ClientCredentials, ServiceAccount


def test_client_credentials_are_read() -> None:
    text = "https://id:s%2Fcret@login.example:8443/t/token?scope=https://outlook.office365.com/.default"
    scope = "https://outlook.office365.com/.default"
    assert oauth.parse(text) == ClientCredentials("https://login.example:8443/t/token", "id", "s/cret", scope)
    assert oauth.parse("https://id:s@login.example") == ClientCredentials("https://login.example/", "id", "s", "")
    assert "cret" not in repr(oauth.parse(text))


def test_a_path_is_that_of_a_key() -> None:
    assert oauth.parse("/etc/key.json") == ServiceAccount("/etc/key.json")


@pytest.mark.parametrize(
    "text",
    [
        "key.json",
        "http://id:geheim@h/",
        "https://h/token",
        "https://id@h/token",
        "https://id:…@h/token",
        "https://id:geheim@h/token?x=y",
        "https://id:geheim@h/token?scope=a&scope=b",
        "https://id:geheim@h:0/",
        "https://id:geheim@h:x/",
        "https://id:ge heim@h/",
        "https://id:geheim@h/\r\n",
        "https://id:" + "geheim" * 1000 + "@h/",
        "https://id:geheim@/",
    ],
)
def test_what_is_none_of_them_is_refused_in_one_line_without_the_secret(text: str) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        oauth.parse(text)
    assert "heim" not in str(error.value)
    assert str(error.value).isprintable()
