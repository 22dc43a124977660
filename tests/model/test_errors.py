from __future__ import annotations

import pickle

import pytest

from mpcontinuity.mailbox.keywords import KeywordsFull
from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.model.errors import Hint, Refused


@pytest.mark.parametrize(
    "refused",
    [
        Refused("no"),
        Refused("x.org: is owed", "conflict", Hint("domain remove", "releases it", {"name": "x.org", "force": True})),
        MailboxRefused("TRYCREATE", "no such mailbox"),
        KeywordsFull("LIMIT", "full"),
    ],
)
def test_a_refusal_comes_out_of_another_process_as_it_went_in(refused: Refused) -> None:
    again = pickle.loads(pickle.dumps(refused))
    assert type(again) is type(refused)
    assert (str(again), again.kind, again.hint) == (str(refused), refused.kind, refused.hint)
    assert getattr(again, "code", "") == getattr(refused, "code", "")


@pytest.mark.parametrize(
    ("code", "kind"),
    [("NONEXISTENT", "unknown"), ("ALREADYEXISTS", "taken"), ("OVERQUOTA", "conflict"), ("CANNOT", "invalid")],
)
def test_a_response_code_of_imap_has_its_kind(code: str, kind: str) -> None:
    assert MailboxRefused(code, "").kind == kind
