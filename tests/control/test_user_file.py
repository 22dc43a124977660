"""The file of users is read as it comes, judged as a whole, and no file makes much work, or much memory."""

from __future__ import annotations

import io
import time
import tracemalloc
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.control import user_file
from mpcontinuity.control.imports import ImportLine
from mpcontinuity.control.user_file import UserLines, read
from mpcontinuity.model.errors import Refused


def lines(octets: bytes) -> list[ImportLine]:
    return list(read(io.BytesIO(octets)))


def in_pieces(pieces: Iterable[bytes]) -> list[ImportLine]:
    reader = UserLines()
    found = [line for piece in pieces for line in reader.feed(piece)]
    return found + list(reader.end())


def errors(octets: bytes) -> list[tuple[int, str]]:
    return [(line.number, line.error) for line in lines(octets) if line.error]


CSV = 'address,name\r\nanna@x.org,"Anna ""A"""\r\nbert@x.org,"B\r\nB"\r\n"open\r\nünal@x.org,Ü\r\n'.encode()


@given(st.lists(st.integers(0, len(CSV))))
def test_it_does_not_matter_in_which_pieces_it_comes(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(CSV)]
    pieces = [CSV[begin:end] for begin, end in pairwise(places)]
    assert in_pieces(pieces) == lines(CSV)


def test_two_lines_that_want_the_same_address_are_found() -> None:
    text = (
        b"address,aliases\n"
        b"anna@x.org,a@x.org;aa@x.org\n"
        b"bert@x.org,A@x.org\n"  # an alias that another has
        b"aa@x.org,\n"  # an address that is another's alias
        b"carla@x.org,anna@x.org\n"  # an alias that is another's address
        b"Anna@X.org,\n"  # the same in other letters
        b"bert@x.org,b@x.org\n"  # what was refused has taken nothing
        b"dora@x.org,d@x.org;d@x.org;dora@x.org\n"  # a line is no rival to itself
    )
    assert errors(text) == [
        (3, "A@x.org: is in line 2"),
        (4, "the same address as in line 2"),
        (5, "anna@x.org: is in line 2"),
        (6, "the same address as in line 2"),
    ]


def test_a_line_that_is_not_in_utf_8_stops_nothing() -> None:
    found = lines(b"anna@x.org,Anna\nj\xf6rg@x.org,J\xf6rg\nbert@x.org,Bert\n")
    assert [(line.number, line.address, bool(line.error)) for line in found] == [
        (1, "anna@x.org", False),
        (2, "", True),
        (3, "bert@x.org", False),
    ]
    assert "UTF-8" in found[1].error


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-be"])
def test_a_file_in_utf_16_is_refused_at_once(codec: str) -> None:
    octets = "address\nanna@x.org\n".encode(codec)
    octets = octets if codec == "utf-16" else b"\xfe\xff" + octets
    with pytest.raises(Refused, match="in UTF-16"):
        lines(octets)


def test_a_nul_is_refused() -> None:
    assert errors(b"anna@x.org,A\0nna\n") == [(1, "has a NUL in it")]


def test_a_line_that_is_too_long_is_skipped_and_counted_once() -> None:
    long = b"x" * (1 << 20)
    assert [line.number for line in in_pieces([b"a@x.org\n", long[:300_000], long[300_000:], b"y\nb@x.org\n"])] == [
        1,
        2,
        3,
    ]
    assert errors(b"a@x.org\n" + long + b"\nb@x.org\n") == [(2, "has more than 16384 characters")]
    assert errors(b"a@x.org\n" + long) == [(2, "has more than 16384 characters")]


def test_a_million_columns_are_one_line_that_is_refused() -> None:
    assert errors(b"anna@x.org" + b"," * 1_000_000 + b"\nbert@x.org\n") == [(1, "has more than 16384 characters")]
    assert errors(b"address\nanna@x.org" + b"," * 10_000) == [(2, "10001 columns, at most 1 are expected")]


def test_a_quote_that_is_left_open_swallows_nothing() -> None:
    text = b'"anna@x.org\n' + b"".join(b"user%d@x.org\n" % number for number in range(20))
    found = lines(text)
    assert [line.number for line in found if line.error] == [1]
    assert len(found) == 21


def test_a_file_has_so_many_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_file, "MOST_LINES", 3)
    found = lines(b"".join(b"user%d@x.org\n" % number for number in range(20)))
    assert [(line.number, line.error) for line in found[3:]] == [
        (4, "a file has up to 3 lines; nothing is read from here on")
    ]
    assert len(lines(b"user1@x.org\nuser2@x.org\nuser3@x.org\n")) == 3


def test_a_file_names_so_many_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_file, "MOST_NAMES", 3)
    found = lines(b"address,aliases\na@x.org,b@x.org;c@x.org;d@x.org\ne@x.org\nf@x.org\n")
    assert [line.error for line in found] == ["", "a file has up to 3 addresses; nothing is read from here on"]


HOSTILE = {
    "quotes that each line opens anew": b'a","\n',
    "an open quote, and pairs of them": b'"a""b\n',
    "quotes alone": b'"',
    "commas": b",",
    "returns": b"\r",
    "empty lines": b"\n",
    "one long line": b"x",
    "no text": b"\xff\n",
    "semicolons": b"a@x.org,,;;;;\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_the_time_is_in_proportion_to_the_file(name: str) -> None:
    def taken(octets: int) -> float:
        data = HOSTILE[name] * (octets // len(HOSTILE[name]))
        begun = time.process_time()
        for _ in read(io.BytesIO(data)):
            pass
        return time.process_time() - begun

    taken(20_000)
    small, large = min(taken(25_000) for _ in range(3)), taken(100_000)
    assert large < max(small, 0.002) * 12, (small, large)


def test_no_more_is_in_memory_than_what_is_at_hand() -> None:
    class Long(io.RawIOBase):
        """4 MiB in lines of which some are long."""

        left = 4 << 20

        def read(self, size: int = -1, /) -> bytes:
            self.left -= size
            return b'"user@x.org",' + b"x" * (size - 14) + b"\n" if self.left > 0 else b""

    tracemalloc.start()
    for _ in read(Long()):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20
