from __future__ import annotations

import pytest

from mpcontinuity.app.process.refusal import why
from mpcontinuity.model.errors import Hint, Refused


@pytest.mark.parametrize(
    ("hint", "command"),
    [
        (Hint("domain list", "shows them"), "`mpcontinuity domain list` shows them"),
        (Hint("user list", "shows them", {"domain": "a.org"}), "`mpcontinuity user list --domain a.org` shows them"),
        (Hint("user show", "lists them", {"address": "a@b.c"}), "`mpcontinuity user show a@b.c` lists them"),
        (Hint("user show", "lists them", {"address": "a b@c"}), "`mpcontinuity user show 'a b@c'` lists them"),
        (
            Hint("domain remove", "releases them", {"name": "a.org", "force": True}),
            "`mpcontinuity domain remove a.org --force` releases them",
        ),
        (Hint("drill end", "ends it", domain="a.org"), "`mpcontinuity drill a.org --end` ends it"),
        (Hint("alert list", "shows who does", domain="a.org"), "`mpcontinuity alert list a.org` shows who does"),
        (Hint("contain off", "lifts that", {"name": "a.org"}), "`mpcontinuity contain a.org off` lifts that"),
        (Hint("drill list", "shows them"), "`mpcontinuity drill DOMAIN --list` shows them"),
    ],
)
def test_a_hint_is_the_command_that_a_person_would_type(hint: Hint, command: str) -> None:
    assert why(Refused("no", "conflict", hint)) == f"no; {command}"


def test_without_a_hint_there_is_the_text_alone() -> None:
    assert why(Refused("no")) == "no"
    assert why(OSError("gone")) == "gone"
