from __future__ import annotations

import pickle

import msgspec
import pytest

from mpcontinuity.alerts.outages import Told
from mpcontinuity.alerts.tellings import Moved
from mpcontinuity.control.imports import _Previewed
from mpcontinuity.mailbox.drafts import DraftChanged, NotLeaving
from mpcontinuity.mailbox.keywords import KeywordsFull
from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.model.errors import (
    Corrupt,
    Full,
    Hint,
    Refused,
    Reported,
    Stopping,
    Temporary,
    Unexpected,
    from_wire,
    to_wire,
)
from mpcontinuity.model.texts import Said, said
from mpcontinuity.queue.unreported import Changed
from mpcontinuity.reports.placing import NoInbox
from mpcontinuity.store.driver import Again, Conflict, Lost

EXAMPLES: list[Reported] = [
    Refused("no"),
    Refused("x.org: is owed", "conflict", Hint("domain remove", "releases it", {"name": "x.org", "force": True})),
    MailboxRefused("TRYCREATE", "no such mailbox"),
    KeywordsFull("LIMIT", "full"),
    DraftChanged("this draft was changed in another window"),
    NotLeaving("the message was called back"),
    Temporary("a lost commit"),
    Full("below the floor of free space"),
    Again("the database asks to try again"),
    Lost("the database is away"),
    Corrupt("message 0 fails its checksum: ü"),
    Conflict("UNIQUE constraint failed"),
    Stopping(),
    _Previewed(1, "anna@x.org", "added", ""),
    Changed(),
    NoInbox(),
    Told(),
    Moved(),
    Unexpected("KeyError", "'x'"),
]


def told(error: Reported) -> tuple[object, ...]:
    """All that there is to know of an error."""
    return type(error), str(error), error.args, vars(error)


@pytest.mark.parametrize("error", EXAMPLES, ids=repr)
def test_an_error_comes_out_of_another_process_as_it_went_in(error: Reported) -> None:
    wire = msgspec.json.decode(msgspec.json.encode(to_wire(error)))
    assert told(from_wire(wire)) == told(error)
    assert told(pickle.loads(pickle.dumps(error))) == told(error)


def test_every_error_that_can_be_told_is_tried() -> None:
    ours = {kind for kind in Reported.by_name.values() if kind.__module__.startswith("mpcontinuity.")}
    assert ours == {type(error) for error in EXAMPLES}
    assert all(Reported.by_name[kind.__name__] is kind for kind in map(type, EXAMPLES))


def test_an_error_that_only_one_process_knows_keeps_its_name_and_text() -> None:
    mistake = from_wire(to_wire(KeyError("x")))
    assert told(mistake) == told(Unexpected("KeyError", "'x'"))
    assert str(mistake) == "KeyError: 'x'"
    assert str(from_wire(["OfANewerVersion", "so", {"a": 1}, "it is"])) == "OfANewerVersion: so: it is"
    assert str(from_wire(["Refused", "of a newer version", "strange", None])) == "Refused: of a newer version: strange"


@pytest.mark.parametrize("wire", [None, 7, "Refused", {}, {"Refused": 1}, [], [[]], [None, "x"], [{"Refused": 1}]])
def test_what_is_no_error_is_unexpected(wire: object) -> None:
    assert type(from_wire(wire)) is Unexpected


def test_a_text_that_is_no_utf8_can_be_told() -> None:
    wire = msgspec.json.decode(msgspec.json.encode(to_wire(Temporary("/srv/\udcff: is full"))))
    assert str(from_wire(wire)) == "/srv/\\udcff: is full"


@pytest.mark.parametrize(
    ("code", "kind"),
    [("NONEXISTENT", "unknown"), ("ALREADYEXISTS", "taken"), ("OVERQUOTA", "conflict"), ("CANNOT", "invalid")],
)
def test_a_response_code_of_imap_has_its_kind(code: str, kind: str) -> None:
    assert MailboxRefused(code, "").kind == kind


def test_what_a_refusal_says_is_a_plain_text_for_json_also_where_it_can_be_translated() -> None:
    refused = Refused(said("longer than %(most)d octets", most=254))
    assert msgspec.json.encode(str(refused)) == b'"longer than 254 octets"'
    assert isinstance(refused.text, Said)
    assert refused.text.template == "longer than %(most)d octets"
