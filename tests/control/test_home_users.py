"""Users whom home does not serve: what is said, what is found, and copies for everybody."""

from __future__ import annotations

from typing import Any

import pytest

from mpcontinuity.accounts import home_users
from mpcontinuity.model.errors import Refused
from tests.control.conftest import Call
from tests.queue.ledgers import Books

NAME = {"name": "example.org"}
SINCE = "2026-09-21T14:13:20+00:00"


def test_somebody_says_that_users_are_out_and_that_they_are_back(call: Call, books: Books) -> None:
    assert call("status")[0]["users_out"] is None
    row = call("domain users-out", **NAME, on=True, note="single sign-on is down")
    assert (row["out"], row["said"], row["by"], row["found"]) == (True, SINCE, "root", None)
    assert row["hint"] == "mpcontinuity user continuity --domain example.org --all on"
    assert call("status")[0]["users_out"] == "said by root: single sign-on is down"
    books.clock.advance(60)
    assert call("domain users-out", **NAME, on=True)["said"] == SINCE
    back = call("domain users-out", **NAME, on=False)
    assert (back["out"], back["said"], back["by"], back["note"], back["hint"]) == (False, None, "", "", "")
    assert call("status")[0]["users_out"] is None


def test_what_is_said_ends_nothing_that_a_probe_finds_and_neither_changes_the_state(call: Call, books: Books) -> None:
    assert books.run(home_users.note, domain=books.domain.id, reason="imap.example.org:993: no answer")
    assert not books.run(home_users.note, domain=books.domain.id, reason="another reason")
    call("domain users-out", **NAME, on=True)
    assert call("domain users-out", **NAME, on=False)["out"]
    status = call("status")[0]
    assert (status["users_out"], status["state"]) == ("imap.example.org:993: no answer", "up")
    assert books.read(home_users.out) == {books.domain.id: "imap.example.org:993: no answer"}
    assert books.run(home_users.note, domain=books.domain.id, reason="")
    assert books.read(home_users.out) == {}


@pytest.mark.parametrize("note", ["two\nlines", "x" * 501, "a\0b"])
def test_a_note_is_one_short_line(call: Call, books: Books, note: str) -> None:
    with pytest.raises(Refused, match="note: must be one line"):
        call("domain users-out", **NAME, on=True, note=note)
    assert call("status")[0]["users_out"] is None


def test_all_users_are_opted_in_and_the_mode_lets_them_have_copies(call: Call, books: Books) -> None:
    row = call("user continuity all", **NAME, on=True)
    assert row == {"domain": "example.org", "on": True, "changed": 2, "mode": "optional"}
    assert {call("user show", address=f"{name}@example.org")["continuity"] for name in ("anna", "bert")} == {"on"}
    assert call("domain show", **NAME)["mode"] == "optional"
    assert call("user continuity all", **NAME, on=True)["changed"] == 0
    out = call("user continuity all", **NAME, on=False)
    assert (out["changed"], out["mode"]) == (2, "optional")


def test_a_declared_outage_stays_one_when_all_are_opted_in(call: Call, books: Books) -> None:
    call("domain set", **NAME, settings={"mode": "enabled"})
    assert call("user continuity all", **NAME, on=True)["mode"] == "enabled"


URLS = "imaps://probe:se%2Ccret@imap.example.org,https://probe:geheim@mail.example.org/owa?x=1"


def test_urls_of_the_users_side_are_shown_without_their_passwords(call: Call, books: Books) -> None:
    row = call("domain set", **NAME, settings={"home-users": URLS})
    assert row["home-users"] == "imaps://probe:…@imap.example.org,https://probe:…@mail.example.org/owa?x=1"
    for shown in (call("domain show", **NAME), call("domain list")[0]):
        assert "cret" not in str(shown)
        assert "geheim" not in str(shown)
    assert call("domain set", **NAME, settings={"home-users": ""})["home-users"] == ""


@pytest.mark.parametrize(
    ("urls", "said"),
    [
        ("http://mail.example.org", "must begin with https://"),
        ("pop3://mail.example.org", "must begin with https://"),
        ("https://user:secret@mail.example.org:99999/", "not a URL"),
        ("imaps://user:secret@mail.example.org/INBOX", "has a path"),
        ("imaps://user@mail.example.org", "a name and no password"),
        ("imaps://{user}:secret@mail.example.org", "has a place for users"),
        (",".join(f"https://{n}.example.org" for n in range(6)), "must be 5 URLs at most"),
    ],
)
def test_urls_that_cannot_be_watched_are_refused_without_their_secrets(
    call: Call, books: Books, urls: str, said: str
) -> None:
    before: Any = call("domain show", **NAME)
    with pytest.raises(Refused, match=said) as refused:
        call("domain set", **NAME, settings={"home-users": urls})
    assert "secret" not in str(refused.value)
    assert call("domain show", **NAME) == before
