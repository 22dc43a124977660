"""RFC 2047, and the texts that only nearly follow it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.message.charset import decode
from mpcontinuity.message.encodedwords import base64, text


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


@given(st.binary(max_size=100), st.text(max_size=20))
def test_any_bytes_decode_with_any_charset(data: bytes, charset: str) -> None:
    decode(data, charset)


@given(st.lists(st.sampled_from([b"=?", b"utf-8", b"?b?", b"?q?", b"?=", b" ", b"w5w", b"=C3", b"\xff", b"\r\n "])))
def test_any_sequence_of_pieces_gives_text(pieces: list[bytes]) -> None:
    text(b"".join(pieces))
