"""Address lists as real mail has them, and any bytes at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.message import addresses
from mpcontinuity.message.addresses import Mailbox
from tests.message.imap import read


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"a@b.org", [(None, None, b"a", b"b.org")]),
        (b" A B <a@b.org> ", [(b"A B", None, b"a", b"b.org")]),
        (b'"B, A" <a@b.org>,c@d.org', [(b"B, A", None, b"a", b"b.org"), (None, None, b"c", b"d.org")]),
        (b'"A" B "C D" <a@b.org>', [(b"A B C D", None, b"a", b"b.org")]),
        (b"a@b.org (Anna (the first) Berg)", [(b"Anna (the first) Berg", None, b"a", b"b.org")]),
        (
            b"a@b.org (with \\) parenthesis), c@d",
            [(b"with ) parenthesis", None, b"a", b"b.org"), (None, None, b"c", b"d")],
        ),
        (b'"a b"@c.org', [(None, None, b"a b", b"c.org")]),
        (b'<"a@b"@c.org>', [(None, None, b"a@b", b"c.org")]),
        (b"<@x.org,@y.org:a@b.org>", [(None, b"@x.org,@y.org", b"a", b"b.org")]),
        (b"a . b @ c . org", [(None, None, b"a.b", b"c.org")]),
        (b"a@[192.0.2.1]", [(None, None, b"a", b"[192.0.2.1]")]),
        (b"undisclosed-recipients:;", [(None, None, b"undisclosed-recipients", None), (None, None, None, None)]),
        (b"anna", [(None, None, b"anna", b"")]),
        (b"Anna <>", [(b"Anna", None, b"", b"")]),
        (b"a@b <c@d>", [(b"a@b", None, b"c", b"d")]),
        (b"<a@b> <c@d>", [(None, None, b"a", b"b"), (None, None, b"c", b"d")]),
        (b"<a@b>,,, ,<c@d>", [(None, None, b"a", b"b"), (None, None, b"c", b"d")]),
        (b"A <a@b", [(b"A", None, b"a", b"b")]),
        (b'"A <a@b>', [(None, None, b"A <a@b>", b"")]),
        (b"J\xfcrgen <j@x>", [(b"J\xfcrgen", None, b"j", b"x")]),
        (b"", []),
        (b" ,;", []),
        (b"<user (c)@ (c) domain.example>", [(None, None, b"user", b"domain.example")]),
        (b"user (c)@ (Name) domain . example", [(b"Name", None, b"user", b"domain.example")]),
        (b"<a@b> (Name)", [(b"Name", None, b"a", b"b")]),
        (b"g: (nobody) ;, a@b", [(None, None, b"g", None), (None, None, None, None), (None, None, b"a", b"b")]),
        (b"(only) , (comments)", []),
        (b"Foo <a@b.test, Bar <c@d.test>", [(b"Foo", None, b"a", b"b.test"), (b"Bar", None, b"c", b"d.test")]),
        (b"Foo <a@b.test Bar B <c@d.test>", [(b"Foo", None, b"a", b"b.test"), (b"Bar B", None, b"c", b"d.test")]),
        (b"Foo <a@b.test<c@d.test>", [(b"Foo", None, b"a", b"b.test"), (None, None, b"c", b"d.test")]),
        (b"Foo <a@b.test, c@d.test>", [(b"Foo", None, b"a", b"b.test"), (None, None, b"c", b"d.test")]),
        (b"Foo <<a@b.test>>", [(b"Foo", None, b"a", b"b.test")]),
        (b"<@x.org , @y.org : a@b.org>", [(None, b"@x.org,@y.org", b"a", b"b.org")]),
        (b"Ada\r\n\tExample <a@b>", [(b"Ada Example", None, b"a", b"b")]),
    ],
)
def test_mailboxes_are_found_in(value: bytes, expected: list[tuple[bytes | None, ...]]) -> None:
    assert addresses.parse(value) == [Mailbox(*mailbox) for mailbox in expected]


_WORDS = st.text("abcXYZ019.-_+", min_size=1, max_size=8)
_PHRASES = st.text("abc XYZ.'-", max_size=12)


@given(st.lists(st.tuples(_PHRASES, _WORDS, _WORDS, st.booleans()), min_size=1, max_size=5))
def test_the_quick_way_finds_what_the_thorough_one_does(people: list[tuple[str, str, str, bool]]) -> None:
    shown = []
    for phrase, local, host, quoted in people:
        name = f'"{phrase}"' if quoted else phrase
        shown.append(f"{name} <{local}@{host}>" if name.strip() else f"{local}@{host}")
    value = ", ".join(shown).encode()
    found = read(addresses.structure(value))
    assert found == [list(mailbox) for mailbox in addresses.parse(value)]
    assert [(mailbox[2], mailbox[3]) for mailbox in found] == [(p[1].encode(), p[2].encode()) for p in people]


@given(st.binary(max_size=200) | st.text('ab@<>(),;:"\\ .[]\n\r', max_size=60).map(str.encode))
def test_any_bytes_give_a_list_that_a_client_can_read(value: bytes) -> None:
    found = read(addresses.structure(value))
    group = False
    for _, _, mailbox, host in found or []:
        if host is None:  # a group begins or ends; they do not stand within each other
            assert group == (mailbox is None)
            group = not group
    assert not group


@pytest.mark.parametrize("one", [b"Anna Berg <anna@example.org>", b'"Berg, Anna" <anna@example.org> (really)'])
def test_a_list_is_cut_between_addresses(one: bytes) -> None:
    """All of some thousand are shown, and of more than that whole ones only."""
    (shown,) = read(addresses.structure(one))
    count = addresses.LONGEST // (len(one) + 3)
    for times in (2_000, count, count * 2):
        found = read(addresses.structure(b",\r\n ".join([one] * times)))
        assert set(map(tuple, found)) == {tuple(shown)}
        assert len(found) >= min(times, count) - 1


def test_a_single_address_beyond_the_limit_is_shown_as_far_as_it_goes() -> None:
    (found,) = read(addresses.structure(b"[] " * addresses.LONGEST + b"<b@c>"))
    assert found[3] == b""
    assert found[2].startswith(b"[][]")
