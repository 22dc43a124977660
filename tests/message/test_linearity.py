"""A message from outside never takes time that grows faster than its size."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mpcontinuity.message import addresses, contenttype
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
