"""An upload is taken as it comes, into a file that is thrown away."""

from __future__ import annotations

import hashlib
from tempfile import SpooledTemporaryFile

import pytest

from mpcontinuity.web import uploads
from mpcontinuity.web.inflow import ClientGone, Inflow
from mpcontinuity.web.uploads import held, uploaded
from tests.fakes.stores import result


def come(*pieces: bytes, gone: bool = False) -> Inflow:
    inflow = Inflow(lambda: None, lambda: None)
    for piece in pieces:
        inflow.add(piece)
    if gone:
        inflow.fail()
    else:
        inflow.end()
    return inflow


@pytest.mark.parametrize("in_memory", [1, 1 << 20])
def test_what_came_is_read_again_from_its_beginning(in_memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_IN_MEMORY", in_memory)
    upload = result(uploaded(come(b"one\ntw", b"o\n", b"three")))
    assert upload.file.read() == b"one\ntwo\nthree"
    assert (upload.octets, upload.lines) == (13, 3)
    assert upload.digest == hashlib.sha256(b"one\ntwo\nthree").digest()
    upload.close()
    upload.close()


@pytest.mark.parametrize(("octets", "lines"), [(b"", 0), (b"a", 1), (b"a\n", 1), (b"\n\n", 2)])
def test_a_last_line_counts_with_and_without_its_end(octets: bytes, lines: int) -> None:
    upload = result(uploaded(come(octets) if octets else come()))
    assert upload.lines == lines
    upload.close()


def test_a_client_that_goes_leaves_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[SpooledTemporaryFile[bytes]] = []

    class Noted(SpooledTemporaryFile[bytes]):
        def __init__(self, max_size: int) -> None:
            super().__init__(max_size=max_size)
            made.append(self)

    monkeypatch.setattr(uploads, "SpooledTemporaryFile", Noted)
    with pytest.raises(ClientGone):
        result(uploaded(come(b"half", gone=True)))
    assert [file.closed for file in made] == [True]


def test_a_body_in_memory_has_a_bound() -> None:
    assert result(held(come(b"abc", b"def"), 6)) == b"abcdef"
    assert result(held(come(b"abc", b"def"), 5)) is None
    assert result(held(come(), 5)) == b""
