"""What streams are made of, and where they are cut."""

from __future__ import annotations

import itertools

from hypothesis import strategies as st

mixtures = st.lists(
    st.sampled_from(
        [b"\r\n", b"\r", b"\n", b".", b"..", b"a", b"hello", b"\r\n.", b".\r\n", b"\r\n.\r\n", b"\n.\n", b"\0\xff"]
    ),
    max_size=30,
).map(b"".join)
cuts = st.lists(st.integers(0, 400), max_size=12)


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    """Pieces of it; places beyond its end are wrapped."""
    edges = sorted({0, len(stream), *(place % (len(stream) + 1) for place in places)})
    return [stream[start:end] for start, end in itertools.pairwise(edges)]
