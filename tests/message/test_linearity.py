"""A message from outside never takes time that grows faster than its size."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mpcontinuity.message import addresses, contenttype, encodedwords, fields, rendered, text
from mpcontinuity.message.charset import decode
from mpcontinuity.message.fields import HeaderNames
from mpcontinuity.message.matching import Needle
from mpcontinuity.message.render import render
from mpcontinuity.message.summary import summarise
from tests.message.linearity import assert_linear

_ADDRESS_LISTS = [
    (b"a@b,", b" ", b"x y"),
    (b"", b"a ", b"<"),
    (b'"', b"\\\\", b""),
    (b'"a" ', b" ", b"x"),
    (b"", b"(", b""),
    (b"", b"(\\)", b"x"),
    (b"", b"[", b""),
    (b"", b"a:", b";"),
    (b"<", b"@a,", b":b@c>"),
    (b"", b"a@b <", b""),
    (b"", b"a@b<c@d, ", b""),
    (b"", b"a@", b""),
    (b"", b" \t", b""),
    (b"x", b"\r\n ", b"y"),
    (b"", b"\xff\0", b""),
]
_PARAMETERS = [
    (b"text/plain; (", b" ", b""),
    (b"text/plain;", b" ", b"x"),
    (b"text/plain; a", b" ", b"(b) c"),
    (b"text/plain; ", b"a", b" ="),
    (b"text/plain; ", b"a ", b""),
    (b"text/plain; a=", b"b (", b")"),
    (b"text/plain; a=", b"b charset", b"="),
    (b"text/plain; a=", b" name ", b"="),
    (b"text/plain; ", b"(", b""),
    (b"text/plain; ", b"( ", b";"),
    (b"text/plain; ", b"*", b"=x"),
    (b"text/plain; a", b"*1", b"=x"),
    (b"text/plain; ", b"a*0=b;", b""),
    (b'text/plain; a="', b"\\a", b""),
    (b"text/plain; a*=", b"''%", b""),
    (b"text/plain; ", b'"', b""),
    (b"", b"/", b""),
    (b"", b" ", b"a/b"),
    (b"a", b"\r\n ", b"/b"),
]
_ENCODED_WORDS = [
    (b"", b"=?utf-8?q?a?=", b""),
    (b"", b"=?utf-8?q?a?= ", b"x"),
    (b"", b"=?", b""),
    (b"", b"=? ", b""),
    (b"", b"=?u", b""),
    (b"", b"=?u*", b""),
    (b"", b"=?u?q?", b""),
    (b"", b"=?u?q?a", b"?="),
    (b"=?u?q?", b"?", b""),
    (b"=?utf-8?b?", b"YQ==", b"?="),
    (b"", b"=?utf-8?b?w?=", b""),
    (b"", b"\xc3", b""),
    (b"a", b"\r\n ", b"b"),
    (b"a", b" ", b"\n b"),
]
_CHARSETS = [
    "utf-8",
    "utf-7",
    "utf-16",
    "iso-2022-jp",
    "euc-jp",
    "gb2312",
    "big5",
    "sjis",
    "euc-kr",
    "hz-gb-2312",
    "windows-874",
    "us-ascii",
    "x",
]
_OCTETS = [b"\xc3\xa4", b"\xc3", b"\x1b$B-!", b"\x1b", b"+AAA", b"+", b"~{", b"\x0e\x0f", b"\xa4\xa2\xff", b"\x00\xd8"]
_MULTIPART = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
_MESSAGES = [
    (b"", b"\r\n", b""),
    (b"", b"\n", b""),
    (b"", b"a", b""),
    (b"", b"a:\n", b"\n"),
    (b"a:", b"\n ", b"\n\n"),
    (b"a:\n", b"\n ", b"\n\n"),
    (b"", b"To:a\n", b"\n"),
    (b"", b"Subject:" + b" " * 40, b"\n\n"),
    (b"Subject: ", b"\xff", b"\n\n"),
    (b"From: ", b"<a@b, ", b"\n\n"),
    (b"Content-Type: ", b"multipart/", b"\n\n"),
    (b"Content-Type: a/b; boundary=", b"b*", b"\n\n"),
    (b"", b"Content-A:**\n", b"\n"),
    (b"", b"Content-A:;a*0*=*;a*1=*\n", b"\n"),
    (b"Content-A:", b";*=*", b"\n\n"),
    (_MULTIPART, b"--\n", b"--b--"),
    (_MULTIPART, b"--b\n", b""),
    (_MULTIPART, b"--b--\n", b""),
    (_MULTIPART, b"--bx\n", b"--b--"),
    (_MULTIPART, b"--b " + b" " * 90, b"\n"),
    (_MULTIPART, b"--b\nContent-Type: message/rfc822\n\n", b""),
    (_MULTIPART, b"--b\nContent-Type: message/rfc822\n\nTo:a,a,a,a\n", b""),
    (_MULTIPART[:-4] + b"\n", b"--bx\n", b"\n"),
    (b"", b"Content-Type: multipart/mixed; boundary=b\n\n--b\n", b""),
    (b"", b"Content-Type: message/rfc822\n\n", b""),
    (b"", b"Content-Type: message/rfc822\nContent-Transfer-Encoding: quoted-printable\n\n", b""),
    (b"Content-Type: text/plain; charset=utf-8\n\n", "\u0301\u0316".encode(), b""),
    (b"Content-Type: text/plain; charset=utf-8\n\n", "a\u0316\u0301".encode(), b""),
    (b"Content-Transfer-Encoding: base64\n\n", b"A", b""),
    (b"Content-Transfer-Encoding: base64\n\n", b"=", b""),
    (b"Content-Transfer-Encoding: base64\n\n", b"YQ==\n", b""),
    (b"Content-Transfer-Encoding: quoted-printable\n\n", b"=", b""),
    (b"Content-Transfer-Encoding: quoted-printable\n\n", b"=\r", b""),
    (b"Content-Transfer-Encoding: quoted-printable\n\n=", b" ", b"\n"),
    (b"Content-Transfer-Encoding: quoted-printable\n\n", b"= \n", b""),
]


def _made(parts: tuple[bytes, bytes, bytes]) -> Callable[[int], bytes]:
    before, again, after = parts
    return lambda size: before + again * (size // len(again)) + after


@pytest.mark.parametrize("parts", _ADDRESS_LISTS)
def test_a_list_of_addresses_is_read_in_linear_time(parts: tuple[bytes, bytes, bytes]) -> None:
    assert_linear(addresses.structure, _made(parts), 8_000)
    assert_linear(addresses.parse, _made(parts), 8_000)


@pytest.mark.parametrize("parts", _PARAMETERS)
def test_parameters_are_read_in_linear_time(parts: tuple[bytes, bytes, bytes]) -> None:
    def read(value: bytes) -> None:
        found = contenttype.disposition(value), contenttype.content_type(value)
        for one in found[0][1] if found[0] else ():
            contenttype.text(one)

    assert_linear(read, _made(parts), 8_000)


@pytest.mark.parametrize("parts", _ENCODED_WORDS)
def test_encoded_words_are_read_in_linear_time(parts: tuple[bytes, bytes, bytes]) -> None:
    assert_linear(encodedwords.text, _made(parts), 8_000)
    assert_linear(lambda value: encodedwords.encode(decode(value)), _made(parts), 8_000)


@pytest.mark.parametrize("charset", _CHARSETS)
def test_charsets_are_decoded_in_linear_time(charset: str) -> None:
    for octets in _OCTETS:
        assert_linear(lambda data: decode(data, charset), _made((b"", octets, b"")), 16_000)


@pytest.mark.parametrize("parts", _MESSAGES)
def test_a_message_is_rendered_and_searched_in_linear_time(parts: tuple[bytes, bytes, bytes]) -> None:
    needle = Needle("nowhere")
    names = HeaderNames([b"to", b"subject"])

    def read(message: bytes) -> None:
        rendered.section(render(message), (1, 1), "TEXT")
        names.pick(fields.block(message))
        summarise(message)
        needle.in_text(message, headers=True)
        needle.in_header(message, "to")

    assert_linear(read, _made(parts), 16_000)


@pytest.mark.parametrize("marks", ["\u0301\u0316", "\u1161\u11a8", "\u1100", "\u0301", "é"])
def test_letters_are_composed_in_linear_time(marks: str) -> None:
    assert_linear(lambda data: text.folded(data.decode()), _made((b"a", marks.encode(), b"")), 16_000)
