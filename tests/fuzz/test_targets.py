"""Every input that ever failed, every seed, and random changes of them, without guidance by coverage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.corpus import FOLDER, kept
from tests.fuzz.targets import TARGETS

_SIGNS = st.sampled_from(
    [b"\0", b"\r\n", b"\r", b"\n", b" ", b"\t", b"(", b")", b"<", b">", b'"', b"\\", b"=?", b"{9}", b"\xff"]
)
_CHANGES = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 9), _SIGNS | st.binary(max_size=9)), max_size=8)


@pytest.mark.parametrize("target", TARGETS)
def test_seeds_and_what_failed_once_pass(target: str) -> None:
    for data in [*TARGETS[target].seeds, *kept(target)]:
        TARGETS[target].run(data)


@pytest.mark.parametrize("target", TARGETS)
@given(data=st.data())
def test_changed_seeds_pass(target: str, data: st.DataObject) -> None:
    changed = data.draw(st.sampled_from([*TARGETS[target].seeds, *kept(target)]))
    for place, length, instead in data.draw(_CHANGES):
        start = place % (len(changed) + 1)
        changed = changed[:start] + instead + changed[start + length :]
    TARGETS[target].run(changed)


def test_what_is_kept_belongs_to_a_target() -> None:
    if FOLDER.exists():
        assert {folder.name for folder in FOLDER.iterdir()} <= TARGETS.keys()
