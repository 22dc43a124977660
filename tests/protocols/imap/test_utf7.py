import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.protocols.imap import utf7

KNOWN = [
    ("INBOX", b"INBOX"),
    ("Entwürfe", b"Entw&APw-rfe"),
    ("A & B", b"A &- B"),
    ("~peter/mail/台北/日本語", b"~peter/mail/&U,BTFw-/&ZeVnLIqe-"),  # RFC 3501 §5.1.3
    ("\U0001f600", b"&2D3eAA-"),
    ("é&é", b"&AOk-&-&AOk-"),
]


@pytest.mark.parametrize(("name", "wire"), KNOWN)
def test_known_names_are_written_and_read(name: str, wire: bytes) -> None:
    assert utf7.encode(name) == wire
    assert utf7.decode(wire) == name


@given(st.text())
def test_every_name_comes_back_as_it_was(name: str) -> None:
    assert utf7.decode(utf7.encode(name)) == name


@given(st.binary(max_size=40))
def test_what_is_read_is_written_the_same(wire: bytes) -> None:
    try:
        name = utf7.decode(wire)
    except ValueError:
        return
    assert utf7.encode(name) == wire


@pytest.mark.parametrize(
    "wire",
    [
        b"a&b",  # not closed
        b"&AGE-",  # printable US-ASCII must stand for itself
        b"&AOk-&AOk-",  # two shifts where one would do
        b"&AP-",  # odd number of octets
        b"&2AA-",  # half a surrogate pair
        b"&AOl-",  # set bits behind the last character
        b"\xe9",
        b"a\x00b",
    ],
)
def test_a_second_spelling_of_a_name_is_refused(wire: bytes) -> None:
    with pytest.raises(ValueError):
        utf7.decode(wire)
