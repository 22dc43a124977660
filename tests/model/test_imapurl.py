"""IMAP URLs as administrators write them."""

from __future__ import annotations

import pytest

from mpcontinuity.model import hosts, imapurl
from mpcontinuity.model.imapurl import ImapUrl


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("imaps://mail.example.org", ImapUrl("mail.example.org", 993, True)),
        ("imap://127.0.0.1:1143/", ImapUrl("127.0.0.1", 1143, False)),
        ("imaps://[2001:db8::1]:10993", ImapUrl("2001:db8::1", 10993, True)),
        ("IMAPS://{user}*master:pw@h", ImapUrl("h", 993, True, "", "{user}*master", "pw")),
        ("imaps://master:p%40%2F%3A%20w@h", ImapUrl("h", 993, True, "", "master", "p@/: w")),
        ("imaps://a@b.example:p@ss@h", ImapUrl("h", 993, True, "", "a@b.example", "p@ss")),
        ("imap://h?tls=off", ImapUrl("h", 143, False, "off")),
        ("imaps://h?tls=required", ImapUrl("h", 993, True, "required")),
        ("imaps://h?tls=verify", ImapUrl("h", 993, True, "verify")),
    ],
)
def test_a_url_is_read(text: str, read: ImapUrl) -> None:
    assert imapurl.parse(text) == read


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mail.example.org",
        "imap:mail",
        "https://geheim:geheim@mail.example.org",
        "imaps://",
        "imaps://h:0",
        "imaps://h:99999",
        "imaps://h:port",
        "imaps://name:geheim@",
        "imaps://name:geheim@h/folder",
        "imaps://name:ge/heim@h/x",
        "imaps://:geheim@h",
        "imaps://name:@h",
        "imaps://{name}:geheim@h",
        "imaps://{user:geheim@h",
        "imaps://name:geheim@h?tls=maybe",
        "imaps://name:geheim@h?tls=off",
        "imaps://name:geheim@h?x",
        "imaps://name:geheim@h#x",
        "imaps://name:geheim@-h",
        "imaps://name:ge heim@h",
        "imaps://name:geheim%00@h",
        "imaps://name:geheim@h\r\n",
        "imaps://name:" + "geheim" * 1000 + "@h",
    ],
)
def test_what_is_no_imap_url_is_refused_in_one_line_without_the_password(text: str) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        imapurl.parse(text)
    assert "heim" not in str(error.value)
    assert str(error.value).isprintable()


def test_who_logs_in_follows_from_the_name() -> None:
    def login(name: str) -> str:
        return imapurl.parse(f"imaps://{name}h").login("anna", "example.org")

    assert login("{user}*master:pw@") == "anna@example.org*master"
    assert login("{local}%%{domain}:pw@".replace("%%", "%25")) == "anna%example.org"
    assert login("master:pw@") == "anna@example.org"
    assert login("") == "anna@example.org"


def test_a_name_without_a_place_is_one_for_all_users() -> None:
    assert imapurl.parse("imaps://master:pw@h").master
    assert not imapurl.parse("imaps://{local}*m:pw@h").master
    assert not imapurl.parse("imaps://h").master


def test_no_password_is_shown() -> None:
    assert hosts.without_password("imaps://{user}*m:geheim@h:993?tls=off") == "imaps://{user}*m:…@h:993?tls=off"
    assert hosts.without_password("imaps://h:993") == "imaps://h:993"
    assert "geheim" not in repr(imapurl.parse("imaps://m:geheim@h"))
    with pytest.raises(ValueError, match="no password"):
        imapurl.parse(hosts.without_password("imaps://m:geheim@h"))


@pytest.mark.parametrize(
    ("local", "one"),
    [
        ("anna", True),
        ("anna.b+c-d_e=f'g", True),
        ("änna", True),
        ("anna*root", False),
        ("user/boss", False),
        ("example\\boss", False),
        ('boss"', False),
        ("anna boss", False),
    ],
)
def test_a_local_part_that_a_server_could_take_for_another_users_name_is_known(local: str, one: bool) -> None:
    assert imapurl.is_one_name(local) is one
