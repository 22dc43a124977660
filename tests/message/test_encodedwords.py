"""RFC 2047, and the texts that only nearly follow it."""

from __future__ import annotations

import encodings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.message.encodedwords import base64, encode, text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b" plain ", "plain"),
        (b"=?UTF-8?Q?=C3=9Cber_uns?=", "Über uns"),
        (b"=?utf-8?b?w5xiZXI?= uns", "Über uns"),
        (b"Re: =?iso-8859-1*de?q?=DCber?=\r\n =?iso-8859-1?q?_uns?= !", "Re: Über uns !"),
        (b"=?utf-8?b?w5w=?= =?utf-8?b?YmVy?=", "Über"),
        (b"=?utf-8?q?=C3?= =?utf-8?q?=9Cber?=", "Über"),
        (b"a =?utf-8?q?b?= c =?utf-8?q?d?=e", "a b c de"),
        (b"=?utf-8?q?a?==?utf-8?q?b?=", "ab"),
        (b"=?unknown?q?caf=C3=A9?=", "café"),
        (b"=?utf-8?q?with blanks?=", "with blanks"),
        (b"=?utf-8?x?no?= =?=", "=?utf-8?x?no?= =?="),
        ("Grüße".encode(), "Grüße"),
        ("Grüße".encode("latin-1"), "Grüße"),
        (b"=?zip?q?x?= =?punycode?q?a-?= =?idna?q?b?=", "xa-b"),
        (b"=?gb2312?B?u+HS6Q==?=", "会议"),
        (b"=?iso-2022-jp?B?GyRCMnE1RBsoQg==?=", "会議"),
        (b"", ""),
        (b"=?utf-8?Q?what=3F caf=C3=A9??=", "what? café?"),
        (b"=? utf-8? B? Y2Fmw6k=?=", "café"),
        (b"=?utf-8?B?Y2Fm w6k=?=", "café"),
        (b"=?utf-8?q?a? =?utf-8?q?b?=", "=?utf-8?q?a? b"),
        (b"quarterly\r\n\treport \r\n  follows", "quarterly report follows"),
        (b"=?windows-874?B?4LrB?=", "เบม"),
    ],
)
def test_a_header_value_reads_as(value: bytes, expected: str) -> None:
    assert text(value) == expected


def test_base64_is_read_as_far_as_it_goes() -> None:
    assert base64(b"aGFs\r\nbG8=") == b"hallo"
    assert base64(b"aGFsbG8") == b"hallo"
    assert base64(b"aGFsb") == b"hal"
    assert base64(b"YQ==Yg==") == b"ab"
    assert base64(b"!a%G F s") == b"hal"


@given(st.text(max_size=120))
def test_text_that_is_encoded_reads_as_it_was(words: str) -> None:
    encoded = encode(words)
    assert encoded.isascii()
    assert all(len(word) <= 75 for word in encoded.split(b" "))
    assert text(encoded) == words.replace("\0", "\ufffd")


@given(st.lists(st.sampled_from([b"=?", b"utf-8", b"?b?", b"?q?", b"?=", b" ", b"w5w", b"=C3", b"\xff", b"\r\n "])))
def test_any_sequence_of_pieces_gives_text(pieces: list[bytes]) -> None:
    text(b"".join(pieces))


def test_a_charset_that_nobody_knows_is_not_remembered_for_ever() -> None:
    text(b"=?x-nobody-knows?q?=E9?=")
    assert not [name for name in encodings._cache if "nobody" in name]
