from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.message import header_limits
from mpcontinuity.message.header_limits import LONGEST, MOST_FIELDS, HeaderMeasure


def _long(octets: int) -> bytes:
    return b"A: " + b"x" * (octets - 7) + b"\r\n\r\n"


@pytest.mark.parametrize(
    ("message", "too_long"),
    [
        (b"", False),
        (_long(LONGEST) + b"body" * 1000, False),
        (_long(LONGEST + 1), True),
        (_long(LONGEST)[:-2] + b"B: x\r\n\r\n", True),
        (b"\r\n" + b"x" * 2 * LONGEST, False),
        (b"\n" + b"x" * 2 * LONGEST, False),
        (b"A: b\n\n" + b"x" * 2 * LONGEST, False),
        (b"A: b\n\r\n" + b"x" * 2 * LONGEST, False),
        (b"x" * (LONGEST + 1), True),
        (b"A: b\r\n \r\n" + b"x" * LONGEST, True),
    ],
)
@pytest.mark.parametrize("step", [65_536, 4 * LONGEST])
def test_a_header_is_measured_up_to_its_blank_line(message: bytes, too_long: bool, step: int) -> None:
    measure = HeaderMeasure()
    for at in range(0, len(message), step):
        measure.feed(message[at : at + step])
    assert measure.too_long is too_long


@pytest.mark.parametrize(
    ("message", "too_long"),
    [
        (b"A:\r\n" * MOST_FIELDS + b"\r\n", False),
        (b"A:\n" * MOST_FIELDS + b"\n", False),
        (b"A:\r\n" * (MOST_FIELDS + 1) + b"\r\n", True),
        (b"A:\n" * (MOST_FIELDS + 1) + b"\n", True),
        (b"To: a\r\n" + b" b\r\n\tc\r\n" * MOST_FIELDS + b"\r\n", False),
        (b"a text without a header\r\n" * 2 * MOST_FIELDS, False),
        (b"A:\r\n\r\n" + b"B:\r\n" * 2 * MOST_FIELDS, False),
    ],
)
@pytest.mark.parametrize("step", [1, 2, 3, 65_536])
def test_the_fields_of_a_header_are_counted_and_folds_are_none(message: bytes, too_long: bool, step: int) -> None:
    measure = HeaderMeasure()
    for at in range(0, len(message), step):
        measure.feed(message[at : at + step])
    assert measure.too_long is too_long


@given(words=st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\r\n", b": ", b" ", b"\t"]), max_size=30), data=st.data())
def test_it_does_not_depend_on_how_the_stream_is_cut(words: list[bytes], data: st.DataObject) -> None:
    message = b"".join(words)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(header_limits, "LONGEST", 12)
        patch.setattr(header_limits, "MOST_FIELDS", 2)
        whole, cut = HeaderMeasure(), HeaderMeasure()
        whole.feed(message)
        start = 0
        while start < len(message):
            step = data.draw(st.integers(1, 4))
            cut.feed(message[start : start + step])
            start += step
        assert whole.too_long is cut.too_long
