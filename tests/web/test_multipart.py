"""Forms with files are read as they come, however they are cut, and what is no such form is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.web.form import BadForm
from mpcontinuity.web.multipart import FileBegins, FileData, boundary_of, read_parts
from tests.fakes.stores import result

FORM = (
    b'--b\r\nContent-Disposition: form-data; name="subject"\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="\xc3\xa4.txt"\r\nContent-Type: text/plain\r\n\r\n'
    b"%b\r\n--b--\r\n"
)


async def pieces(data: bytes, step: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), step):
        yield data[start : start + step]


def read(data: bytes, step: int = 1000, longest: int = 1000) -> list[Any]:
    async def work() -> list[Any]:
        return [part async for part in read_parts(pieces(data, step), b"b", longest)]

    return list(result(work()))


@given(st.binary(max_size=500).filter(lambda data: b"--b" not in data), st.integers(1, 700))
def test_fields_and_files_are_read_however_they_are_cut(data: bytes, step: int) -> None:
    field, begins, *rest = read(FORM % data, step)
    assert field == ("subject", "Grüße")
    assert begins == FileBegins("file", "ä.txt", "text/plain")
    assert b"".join(part.data for part in rest) == data
    assert [part.last for part in rest] == [False] * (len(rest) - 1) + [True]


def test_a_large_file_comes_in_small_pieces() -> None:
    rest = read(FORM % (b"x" * 3_000_000), 500_000)[2:]
    assert max(len(part.data) for part in rest if isinstance(part, FileData)) <= 256 * 1024


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense",
        b"--b\r\n",
        (FORM % b"x")[:-6],
        b"--b\r\n\r\nno header\r\n--b--\r\n",
        b"--b\r\nContent-Disposition: form-data\r\n\r\nno name\r\n--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + b"x" * 2000 + b"\r\n--b--\r\n",
        b"--b\r\nX: " + b"x" * 400_000,
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n' * 300 + b"--b--\r\n",
    ],
)
def test_what_is_no_form_is_refused(data: bytes) -> None:
    with pytest.raises(BadForm):
        read(data)


@given(st.binary(max_size=300))
def test_nothing_else_is_raised(data: bytes) -> None:
    for whole in (data, FORM[:60] + data, FORM[:100] + data + b"\r\n--b--\r\n"):
        try:
            read(whole, 7)
        except BadForm:
            continue


def test_the_boundary_is_that_of_such_forms_alone() -> None:
    assert boundary_of('multipart/form-data; boundary="a b"') == b"a b"
    assert boundary_of("multipart/mixed; boundary=b") == b""
    assert boundary_of("application/x-www-form-urlencoded") == b""
