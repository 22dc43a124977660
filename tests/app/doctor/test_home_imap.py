"""What doctor says of `home-imap`."""

from __future__ import annotations

from typing import Any

import pytest

from mpcontinuity.app.doctor import home_imap

FOLDERS = [{"folder": "INBOX", "home": "INBOX", "missing": False}, {"folder": "Sent", "home": "Gesendet"}]


class Control:
    """Answers as a server whose home lets in those ``known``."""

    def __init__(self, known: set[str], *, running: bool = True, users: tuple[str, ...] = ("a@d", "b@d")) -> None:
        self.running = running
        self._known = known
        self._users = users

    def call(self, operation: str, **arguments: Any) -> Any:
        if operation == "user list":
            return [{"address": user} for user in self._users][: arguments["limit"]]
        assert operation == "domain test-imap"
        user = arguments["address"]
        known = user in self._known
        text = "home lets us in" if known else f"home refuses the login as {user}"
        return {"user": user, "logged_in": known, "text": text, "folders": FOLDERS if known else []}


@pytest.mark.parametrize(
    ("control", "verdict", "words"),
    [
        (Control({"a@d", "b@d"}), "good", "lets us in as a@d, whose Sent is Gesendet"),
        (Control({"b@d"}), "good", "lets us in as b@d"),
        (Control(set()), "wrong", "home refuses the login as a@d"),
        (Control(set(), users=()), "warning", "has no user"),
        (Control({"a@d"}, running=False), "warning", "by a running server only"),
    ],
)
def test_a_login_as_one_of_the_users_is_tried(control: Control, verdict: str, words: str) -> None:
    (finding,) = home_imap.examine(control, [{"domain": "d", "home-imap": "imaps://m:…@h"}])
    assert finding.verdict == verdict
    assert words in finding.text


def test_domains_without_it_are_passed_over() -> None:
    assert list(home_imap.examine(Control(set()), [{"domain": "d", "home-imap": ""}])) == []
