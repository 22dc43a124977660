"""What a message of the archive needs of home is found in its octets, wherever they are read apart."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.delivery import release
from mpcontinuity.model.body import InMemory
from tests.fakes.stores import result


@pytest.mark.parametrize(
    ("content", "eight_bit", "bare"),
    [
        (b"", False, False),
        (b"Subject: x\r\n\r\ntext\r\n", False, False),
        ("Grüße\r\n".encode(), True, False),
        (b"a\nb\r\n", False, True),
        (b"a\rb\r\n", False, True),
        (b"a\r\r\n", False, True),
        (b"a\n\r\n", False, True),
        (b"a\n\rb\r\n", False, True),
        (b"\n", False, True),
        (b"end\r", False, True),
        (b"\r\n\r\n\r\n", False, False),
    ],
)
@pytest.mark.parametrize("piece", [1, 2, 3, 64])
def test_eight_bits_and_bare_line_ends_are_found(
    content: bytes, eight_bit: bool, bare: bool, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "_PIECE", piece)
    found = result(Deferred.fromCoroutine(release._measured(InMemory(content))))
    assert found == (eight_bit, bare)
