"""Random messages and random queries: what is found is what a look at each message one by one finds.

On both databases, and whether messages are in many segments, in few, or in none yet.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mpcontinuity.archive.matching import Whose
from mpcontinuity.archive.query import (
    Condition,
    Contains,
    Field,
    HasAttachment,
    HasMessageId,
    IsAddress,
    IsDirection,
    Query,
    parse,
)
from mpcontinuity.archive.record import INBOUND, OUTBOUND
from mpcontinuity.archive.search import search
from mpcontinuity.archive.words import words
from mpcontinuity.model.clock import DAY
from mpcontinuity.model.identifier import show
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from tests.archive.archived import archive, bring_up, join
from tests.fakes.clock import START
from tests.fakes.jobs import Here
from tests.fakes.stores import result

_LAST = Statement("SELECT MAX(id) FROM archive")
_GONE = Statement("DELETE FROM archive WHERE id = :id")

VOCABULARY = ["report", "Straße", "budget", "日本語", "x1", "année", "re", "plan", "the", "q3"]
OURS = ["anna@example.org", "Bert@example.org", "sales@example.org", "anna+tag@example.org"]
THEIRS = ["carl@x.example", "dora@y.example", "report@x.example"]
FILES = ["plan q3.pdf", "Bücher.txt", "photo.jpg"]


@dataclass
class Message:
    """One as it was archived, with what people read of it."""

    id: int
    time: int
    direction: str
    sender: str
    recipients: list[str]
    shown_to: list[str]
    subject: str
    body: str
    names: list[str]
    size: int
    words: dict[Field, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.words = {
            Field.FROM: words(self.sender),
            Field.TO: words(" ".join(self.shown_to)),
            Field.SUBJECT: words(self.subject),
            Field.BODY: words(self.body),
            Field.ATTACHMENT: words(" ".join(self.names)),
        }
        self.words[Field.ANY] = set().union(*self.words.values())

    @property
    def message_id(self) -> str:
        return f"m{self.time}.{len(self.body)}@x.example"

    def owners(self) -> set[str]:
        owners = [self.sender] if self.direction == OUTBOUND else self.recipients
        return {key for one in owners for key in (one.lower(), one.lower().replace("+tag", ""))}


def make(chance: random.Random, store: Store) -> Message:
    """Archives a random message."""
    direction = chance.choice([INBOUND, INBOUND, OUTBOUND])
    ours, theirs = chance.sample(OURS, chance.randint(1, 2)), chance.sample(THEIRS, 1)
    sender, recipients = (theirs[0], ours) if direction == INBOUND else (ours[0], theirs)
    shown_to = recipients[:1]  # the others had a blind copy
    subject = " ".join(chance.choices(VOCABULARY, k=2))
    body = " ".join(chance.choices(VOCABULARY, k=chance.randint(0, 5)))
    names = chance.sample(FILES, chance.choice([0, 0, 1, 2]))
    time = START - chance.randrange(4 * DAY)
    made = Message(0, time, direction, sender, recipients, shown_to, subject, body, names, 0)
    content = _content(made)
    archive(store, content, recipients=recipients, sender=sender, direction=direction, time=time)
    made.size = len(content)
    made.id = result(store.read(lambda tx: tx.value(_LAST)))
    return made


def _drop(tx: Transaction, id_: int) -> None:
    tx.run(_GONE, id=id_)


def _content(made: Message) -> bytes:
    header = (
        f"From: {made.sender}\r\nTo: {', '.join(made.shown_to)}\r\nSubject: {made.subject}\r\n"
        f"Message-ID: <{made.message_id}>\r\n"
    )
    text = f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{made.body}\r\n"
    if not made.names:
        return (header + text).encode()
    files = "".join(
        f'--b\r\nContent-Type: image/png\r\nContent-Disposition: attachment; filename="{name}"\r\n\r\nx\r\n'
        for name in made.names
    )
    return f"{header}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{text}{files}--b--\r\n".encode()


WORD = st.sampled_from([*VOCABULARY, "absent", "e-mail", "pdf", "bücher", "example", "anna", "org", "語", "strasse"])
ADDRESS = st.sampled_from([*OURS, *THEIRS, "nobody@example.org"])
ASKED = st.one_of(
    WORD,
    st.builds("{}:{}".format, st.sampled_from(["from", "to", "subject", "body", "attachment"]), WORD),
    st.builds("{}:{}".format, st.sampled_from(["from", "to"]), ADDRESS),
    st.builds('{}:"{} {}"'.format, st.sampled_from(["subject", "body"]), WORD, WORD),
    st.sampled_from(["has:attachment", "direction:inbound", "direction:outbound"]),
    st.builds("since:{}h".format, st.integers(0, 100)),
    st.builds("until:{}h".format, st.integers(0, 100)),
    st.builds("on:2026-09-{}".format, st.integers(17, 22)),
    st.builds("larger:{}".format, st.integers(150, 500)),
    st.builds("smaller:{}".format, st.integers(150, 500)),
)
NEGATED = st.builds(
    lambda one: one if one.split(":")[0] in ("since", "until", "on", "larger", "smaller") else f"-{one}", ASKED
)
PLACES = st.builds("{}:{}".format, st.sampled_from(["to", "from"]), ADDRESS | WORD)
SEVERAL = st.lists(ASKED | NEGATED, max_size=3).map(" ".join)
QUERY = st.one_of(PLACES, ASKED, SEVERAL, st.builds("{} {}".format, PLACES, NEGATED))
WHOSE = st.sampled_from(
    [
        Whose(),
        Whose(1),
        Whose(0, frozenset()),
        Whose(2),
        Whose(0, frozenset(["anna@example.org"])),
        Whose(1, frozenset(["bert@example.org", "sales@example.org"])),
        Whose(0, frozenset(["carl@x.example"])),
    ]
)


def naively(messages: list[Message], query: Query, whose: Whose) -> list[int]:
    """The ids of what is found, the newest first, by a look at each."""
    found = [one for one in messages if _is_theirs(one, whose) and _holds(one, query, whose)]
    return [one.id for one in sorted(found, key=lambda one: (one.time, one.id), reverse=True)]


def _is_theirs(one: Message, whose: Whose) -> bool:
    return whose.domain in (0, 1) and (whose.keys is None or not whose.keys.isdisjoint(one.owners()))


def _holds(one: Message, query: Query, whose: Whose) -> bool:
    return (
        query.since <= one.time < query.until
        and query.larger < one.size < query.smaller
        and all(_is(one, each, whose) for each in query.all_of)
        and not any(_is(one, each, whose) for each in query.none_of)
    )


def _is(one: Message, condition: Condition, whose: Whose) -> bool:
    known = [to.lower() for to in one.recipients]  # those whom whoever asks may know of
    if whose.keys is not None and one.direction == INBOUND:
        known = [key for key in whose.keys if key in one.owners()]
    match condition:
        case Contains(where, wanted):
            recipients = words(" ".join(known)) if where in (Field.ANY, Field.TO) else set()
            return wanted <= one.words[where] | recipients
        case IsAddress(Field.FROM, key):
            return key == one.sender.lower()
        case IsAddress(_, key):
            return key in known or key in [to.lower() for to in one.shown_to]
        case HasAttachment():
            return bool(one.names)
        case IsDirection(direction):
            return direction == one.direction
        case HasMessageId(message_id):
            return message_id == one.message_id


@pytest.fixture(scope="module", params=range(3))
def seed(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def test_what_is_found_is_what_a_look_at_each_message_finds(
    store: Store, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As small as some thousand messages would make them.
    monkeypatch.setattr("mpcontinuity.archive.search._ROWS", 2 + seed)
    monkeypatch.setattr("mpcontinuity.archive.search._BEGIN_WITH", 1 + seed)
    monkeypatch.setattr("mpcontinuity.archive.index.PLACES", 3)
    chance = random.Random(seed)
    messages: list[Message] = []
    for _ in range(40):
        messages.append(make(chance, store))
        if chance.random() < 0.3:
            bring_up(store)
        if chance.random() < 0.1:
            join(store)
        if chance.random() < 0.1:
            gone = messages.pop(chance.randrange(len(messages)))
            result(store.run(partial(_drop, id_=gone.id)))

    @settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=150)
    @given(text=QUERY, whose=WHOSE, limit=st.sampled_from([1, 3, 100]))
    def answers(text: str, whose: Whose, limit: int) -> None:
        query = parse(text, START)
        expected = naively(messages, query, whose)
        after, found, more = 0, list[int](), True
        while more:
            page = result(search(store, Here(), query, whose, limit, after))
            assert page.unsearched == 0
            found += [next(one.id for one in messages if show(one.id) == row.id) for row in page.rows]
            more, after = page.more, found[-1] if found else 0
        assert found == expected

    answers()
