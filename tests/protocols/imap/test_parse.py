"""Single commands: what they become, and what is said of those that are none."""

import contextlib
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.model import search
from mpcontinuity.model.flags import DELETED, FLAGGED, SEEN
from mpcontinuity.protocols.imap import command
from mpcontinuity.protocols.imap.command import How
from mpcontinuity.protocols.imap.cursor import BadName, BadSyntax, Cursor
from mpcontinuity.protocols.imap.items import Attribute, Section
from mpcontinuity.protocols.imap.parse import State, parse_command
from mpcontinuity.protocols.imap.searching import BadCharset


def parse(text: bytes, *literals: bytes, state: State = State.SELECTED) -> Any:
    return parse_command(Cursor(text, literals), state)


COMMANDS: list[tuple[bytes, Any]] = [
    (b"CAPABILITY", command.Capability()),
    (b"noop", command.Noop()),
    (b"ID NIL", command.Id(())),
    (b'ID ("name" "Outlook" "version" NIL)', command.Id((("name", "Outlook"), ("version", "")))),
    (b"SELECT inbox", command.Select("INBOX", read_only=False)),
    (b'EXAMINE "InBox/Sub &AOk-"', command.Select("INBOX/Sub é", read_only=True)),
    (b"CREATE a/b/", command.Create("a/b")),
    (b'RENAME "a b" c]d', command.Rename("a b", "c]d")),
    (b"STATUS x (MESSAGES unseen)", command.Status("x", (b"MESSAGES", b"UNSEEN"))),
    (b'LIST "" *', command.List("", ("*",))),
    (b'LIST "" inbox', command.List("", ("INBOX",))),
    (b"LIST () a/ (%/b c)", command.List("a/", ("%/b", "c"))),
    (
        b'LIST (SUBSCRIBED RECURSIVEMATCH) "" "*" RETURN (SPECIAL-USE STATUS (MESSAGES) CHILDREN)',
        command.List(
            "",
            ("*",),
            frozenset((b"SUBSCRIBED", b"RECURSIVEMATCH")),
            frozenset((b"SPECIAL-USE", b"CHILDREN")),
            (b"MESSAGES",),
        ),
    ),
    (b'LSUB "" %', command.List("", ("%",), frozenset((b"SUBSCRIBED",)), lsub=True)),
    (b"UNSELECT", command.Close(expunge=False)),
    (b"EXPUNGE", command.Expunge(None)),
    (b"UID EXPUNGE 1:3,7", command.Expunge(((1, 3), (7, 7)))),
    (b"STORE 1 FLAGS (\\Seen $Work)", command.Store(((1, 1),), How.REPLACE, SEEN, ("$Work",), False, False)),
    (
        b"UID STORE 2:* +flags.silent \\deleted \\Flagged",
        command.Store(((2, 0),), How.ADD, DELETED | FLAGGED, (), True, True),
    ),
    (b"STORE 1 -FLAGS ()", command.Store(((1, 1),), How.REMOVE, 0, (), False, False)),
    (b"COPY 1 Trash", command.Copy(((1, 1),), "Trash", uid=False, move=False)),
    (b"UID MOVE 4 Trash", command.Copy(((4, 4),), "Trash", uid=True, move=True)),
    (b"FETCH 1:* FLAGS", command.Fetch(((1, 0),), (Attribute.FLAGS,), uid=False)),
    (
        b"UID FETCH 1 fast",
        command.Fetch(((1, 1),), (Attribute.FLAGS, Attribute.INTERNALDATE, Attribute.SIZE), uid=True),
    ),
    (b"FETCH 1 (UID BODY body)", command.Fetch(((1, 1),), (Attribute.UID, Attribute.BODY), uid=False)),
]


@pytest.mark.parametrize(("text", "expected"), COMMANDS)
def test_a_command_becomes_its_value(text: bytes, expected: Any) -> None:
    assert parse(text) == expected


def test_login_takes_atoms_quoted_strings_and_literals() -> None:
    start = State.NOT_AUTHENTICATED
    assert parse(b"LOGIN joe secret", state=start) == command.Login("joe", "secret")
    assert parse(rb'LOGIN "j\"oe" "a\\b c"', state=start) == command.Login('j"oe', "a\\b c")
    assert parse(b"LOGIN {3}\r\n {2+}\r\n", b"joe", b'"\\', state=start) == command.Login("joe", '"\\')
    assert parse('LOGIN joe "pässword"'.encode(), state=start) == command.Login("joe", "pässword")


def test_authenticate_takes_an_initial_response() -> None:
    start = State.NOT_AUTHENTICATED
    assert parse(b"AUTHENTICATE plain", state=start) == command.Authenticate("PLAIN", None)
    assert parse(b"AUTHENTICATE PLAIN AGEAYg==", state=start) == command.Authenticate("PLAIN", b"\0a\0b")
    assert parse(b"AUTHENTICATE PLAIN =", state=start) == command.Authenticate("PLAIN", b"")


SECTIONS: list[tuple[bytes, Section]] = [
    (b"BODY[]", Section(b"BODY[]")),
    (b"BODY.PEEK[]<0.100>", Section(b"BODY[]<0>", peek=True, partial=(0, 100))),
    (b"BODY[1.2]", Section(b"BODY[1.2]", (1, 2))),
    (b"body[1.mime]", Section(b"BODY[1.MIME]", (1,), "MIME")),
    (b"BODY[TEXT]", Section(b"BODY[TEXT]", text="TEXT")),
    (b"BODY[2.HEADER]", Section(b"BODY[2.HEADER]", (2,), "HEADER")),
    (
        b'BODY.PEEK[HEADER.FIELDS (From "To")]',
        Section(b"BODY[HEADER.FIELDS (From To)]", text="HEADER.FIELDS", names=(b"From", b"To"), peek=True),
    ),
    (
        b"BODY[3.HEADER.FIELDS.NOT (X)]<5.6>",
        Section(b"BODY[3.HEADER.FIELDS.NOT (X)]<5>", (3,), "HEADER.FIELDS.NOT", (b"X",), partial=(5, 6)),
    ),
    (b"RFC822", Section(b"RFC822")),
    (b"RFC822.HEADER", Section(b"RFC822.HEADER", text="HEADER", peek=True)),
    (b"RFC822.TEXT", Section(b"RFC822.TEXT", text="TEXT")),
]


@pytest.mark.parametrize(("text", "section"), SECTIONS)
def test_sections_of_fetch(text: bytes, section: Section) -> None:
    assert parse(b"FETCH 1 " + text).items == (section,)
    assert parse(b"FETCH 1 (" + text + b" " + text + b" UID)").items == (section, Attribute.UID)


SEARCHES: list[tuple[bytes, search.Key]] = [
    (b"ALL", search.All()),
    (b"UNSEEN", search.Not(search.HasFlag(SEEN))),
    (b"KEYWORD $Work", search.HasFlag(0, "$Work")),
    (b"2:4,9", search.Numbers(((2, 4), (9, 9)), uid=False)),
    (b"UID 5:*", search.Numbers(((5, 0),), uid=True)),
    (b"NOT FROM joe", search.Not(search.HeaderContains("from", "joe"))),
    (b'HEADER "X-Tag" ""', search.HeaderContains("x-tag", "")),
    (b"SINCE 1-Feb-2026", search.InternalDate(search.When.SINCE, date(2026, 2, 1))),
    (b'SENTON "1-Feb-2026"', search.SentDate(search.When.ON, date(2026, 2, 1))),
    (b"LARGER 1000", search.Size(larger=True, than=1000)),
    (
        b"OR (SEEN BODY x) TEXT y",
        search.Or(
            search.And((search.HasFlag(SEEN), search.BodyContains("x", headers=False))),
            search.BodyContains("y", headers=True),
        ),
    ),
    (
        "CHARSET utf-8 SUBJECT Grüße DELETED".encode().replace("Grüße".encode(), '"Grüße"'.encode()),
        search.And((search.HeaderContains("subject", "Grüße"), search.HasFlag(DELETED))),
    ),
]


@pytest.mark.parametrize(("text", "key"), SEARCHES)
def test_search_keys_become_a_tree(text: bytes, key: search.Key) -> None:
    assert parse(b"SEARCH " + text) == command.Search(key, None, uid=False)
    assert parse(b"UID SEARCH RETURN () " + text) == command.Search(key, frozenset((b"ALL",)), uid=True)


def test_an_unknown_character_set_is_told_apart_from_bad_syntax() -> None:
    with pytest.raises(BadCharset):
        parse(b"SEARCH CHARSET KOI8-R SUBJECT x")


def test_keys_nested_too_deep_are_refused_and_not_walked() -> None:
    assert parse(b"SEARCH " + b"NOT " * 90 + b"SEEN")
    for deep in (b"NOT " * 20_000 + b"SEEN", b"(" * 30_000, b"OR SEEN " * 8_000 + b"SEEN"):
        with pytest.raises(BadSyntax, match="nested"):
            parse(b"SEARCH " + deep)


BAD = [
    (b"", "a command"),
    (b"FROB", "no command FROB"),
    (b"UID NOOP", "no command UID NOOP"),
    (b"NOOP x", "the end of the command"),
    (b"SELECT", "a space"),
    (b"SELECT a\x00b", "the end of the command"),
    (b'LIST "" "*" RETURN (FROB)', "no return option"),
    (b'LIST (RECURSIVEMATCH) "" *', "RECURSIVEMATCH needs"),
    (b'LIST "" ' + b"%" * 3000, "2048 characters at most"),
    (b'LIST "" (' + b" ".join([b"x"] * 101) + b")", "100 patterns at most"),
    (b"STATUS x ()", "one item"),
    (b"STATUS x (SHOESIZE)", "SHOESIZE is no STATUS item"),
    (b"FETCH 0 FLAGS", "a set of numbers"),
    (b"FETCH 1, FLAGS", "a set of numbers"),
    (b"FETCH 1 (FLAGS", "a space"),
    (b"FETCH 1 ()", "a FETCH item"),
    (b"FETCH 1 FROB", "no FETCH item"),
    (b"FETCH 1 (FLAGS ALL)", "no FETCH item"),
    (b"FETCH 1 BODY[0]", "a section"),
    (b"FETCH 1 BODY[1.]", "a section"),
    (b"FETCH 1 BODY[MIME]", "of a part"),
    (b"FETCH 1 BODY[HEADER.FIELDS ()]", "header field"),
    (b"FETCH 1 BODY[HEADER.FIELDS (a:b)]", "no name of a header field"),
    (b"FETCH 1 BODY[]<5.0>", "the end of the command"),
    (b"FETCH 1 BODY[" + b"1." * 200 + b"1]", "a part path"),
    (b"FETCH 1 (" + b" ".join(b"BODY[%d]" % n for n in range(1, 200)) + b")", "items at most"),
    (b"STORE 1 FLAGS (\\Frob)", "no system flag"),
    (b"STORE 1 FLAG (\\Seen)", "FLAGS, +FLAGS"),
    (b"SEARCH", "a space"),
    (b"SEARCH SINCE 30-Feb-2026", "a date is like"),
    (b"SEARCH LARGER 99999999999", "a FETCH item|a number|the end"),
    (b"APPEND x", "a space"),
    (b'APPEND x () "1-Jan-2026" ', "date-time"),
    (b"LOGIN a b", "logged in already"),
    (b"AUTHENTICATE PLAIN !!", "logged in already"),
]


@pytest.mark.parametrize(("text", "reason"), BAD)
def test_a_bad_command_is_refused_with_a_reason(text: bytes, reason: str) -> None:
    with pytest.raises(BadSyntax, match=reason.replace("+", r"\+")) as caught:
        parse(text)
    assert str(caught.value).isascii()
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'SELECT ""', "cannot be empty"),
        (b"SELECT a&b", "modified UTF-7"),
        (b'EXAMINE "a\x80"', "modified UTF-7"),
        (b'STATUS "a\tb" (MESSAGES)', "modified UTF-7"),
        (b"SELECT &AAk-", "control characters"),
        (b"COPY 1 &AOk", "modified UTF-7"),
        (b"DELETE &", "modified UTF-7"),
        (b"SUBSCRIBE &-&", "modified UTF-7"),
    ],
)
def test_a_name_that_no_mailbox_can_have_is_no_error_of_syntax(text: bytes, reason: str) -> None:
    with pytest.raises(BadName, match=reason) as caught:
        parse(text)
    assert caught.value.code == b"NONEXISTENT"


@pytest.mark.parametrize("text", [b"CREATE a&b", b'CREATE ""', b"RENAME a b&"])
def test_a_new_name_that_no_mailbox_can_have_cannot_be(text: bytes) -> None:
    with pytest.raises(BadName) as caught:
        parse(text)
    assert caught.value.code == b"CANNOT"


def test_a_pattern_that_no_name_matches_is_left_out() -> None:
    assert parse(b'LIST "" (a& b)') == command.List("", ("b",))
    assert parse(b"LIST a& *") == command.List("", ())


def test_names_and_patterns_are_composed() -> None:
    wire = b"U&Awg-bersicht"  # U and a combining diaeresis
    assert parse(b"SELECT " + wire) == command.Select("\u00dcbersicht", read_only=False)
    assert parse(b'LIST "" ' + wire) == command.List("", ("\u00dcbersicht",))


@pytest.mark.parametrize(("text", "expected"), COMMANDS)
def test_blanks_more_than_needed_count_for_nothing(text: bytes, expected: Any) -> None:
    if b'"' in text or b"{" in text or b"  " in text:
        return
    sloppy = text.replace(b" ", b"   ").replace(b"(", b"(  ").replace(b")", b"  )") + b"  "
    assert parse(sloppy) == expected


def test_a_command_out_of_its_state_is_refused_with_what_is_missing() -> None:
    with pytest.raises(BadSyntax, match="log in first"):
        parse(b"SELECT x", state=State.NOT_AUTHENTICATED)
    with pytest.raises(BadSyntax, match="select a mailbox first"):
        parse(b"FETCH 1 FLAGS", state=State.AUTHENTICATED)
    with pytest.raises(BadSyntax, match="base64"):
        parse(b"AUTHENTICATE PLAIN !!", state=State.NOT_AUTHENTICATED)


_PIECES = st.sampled_from(
    [text + b" " for text, _ in COMMANDS]
    + [
        b"SEARCH ",
        b"FETCH 1 ",
        b"(",
        b")",
        b"[",
        b"]",
        b'"',
        b"{3}\r\n",
        b"\\Seen",
        b"<0.5>",
        b"*",
        b",",
        b"OR ",
        b"1 ",
    ]
)


@given(st.lists(_PIECES | st.binary(max_size=5), max_size=8), st.sampled_from(State))
def test_nothing_but_bad_syntax_comes_of_random_text(pieces: list[bytes], state: State) -> None:
    with contextlib.suppress(BadName, BadSyntax, BadCharset):
        parse_command(Cursor(b"".join(pieces), [b"a\x00", b"xyz"] * 8), state)
