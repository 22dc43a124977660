"""Names in DNS records may be any octets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.outbound.names import as_text, can_exist, server_name


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"MX.World.Example.", "mx.world.example"),
        (b"", ""),
        (b".", ""),
        ("mx.bücher.example".encode(), "mx.xn--bcher-kva.example"),
        (b"mx.b\xfccher.example", "mx.b\\252cher.example"),
        (b"mx.\xff\xfe.example", "mx.\\255\\254.example"),
        (b"mx \x1b[31m.example", "mx\\032\\027[31m.example"),
        (b"_dmarc.x-y.example", "_dmarc.x-y.example"),
    ],
)
def test_a_name_is_read_whatever_it_is_made_of(octets: bytes, text: str) -> None:
    assert as_text(octets) == text


@given(st.binary(max_size=255))
def test_of_any_octets_comes_printable_ascii(octets: bytes) -> None:
    assert all(32 < ord(character) < 127 for character in as_text(octets))


@pytest.mark.parametrize("name", ["", "a..b", "x" * 64 + ".example", ".".join(["x" * 60] * 5), ".example"])
def test_a_name_that_cannot_be_is_not_asked_for(name: str) -> None:
    assert not can_exist(name)


def test_tls_is_told_a_name_in_ascii_or_none() -> None:
    assert server_name("mail.bücher.example") == b"mail.xn--bcher-kva.example"
    assert server_name("mx_1.example") == b"mx_1.example"
    assert server_name("ü" * 70 + ".example") is None
