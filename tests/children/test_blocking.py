"""A child that is waited for: as a command that opens the store itself uses it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from mpcontinuity.archive import building
from mpcontinuity.archive.document import Source
from mpcontinuity.children.blocking import Blocking
from mpcontinuity.children.pool import Died
from tests.fakes.stores import result


@pytest.fixture
def jobs() -> Iterator[Blocking]:
    blocking = Blocking()
    yield blocking
    blocking.stop()


async def _index(jobs: Blocking, content: bytes, length: int) -> Any:
    source = Source(1, 1, 1, "inbound", "a@b", ("c@d",), "s", "<i>", length, length)
    job = await jobs.begin(building.KIND, building.encode(building.Messages((source,))))
    for at in range(0, len(content), 65_536):
        await job.feed(content[at : at + 65_536])
    return building.decode(await job.ask(b""))


def _pid(jobs: Blocking) -> int:
    assert jobs._child is not None
    return jobs._child._process.pid


def test_one_child_does_one_job_after_the_other(jobs: Blocking) -> None:
    content = b"Subject: a\r\n\r\n" + b"word " * 100_000
    assert result(_index(jobs, content, len(content))).places == ((1, 1),)
    pid = _pid(jobs)
    assert result(_index(jobs, content, len(content))).places == ((1, 1),)
    assert _pid(jobs) == pid


def test_work_that_raises_is_told_and_the_child_goes_on(jobs: Blocking) -> None:
    with pytest.raises(Died, match="0 contents of 1"):
        result(_index(jobs, b"", 10))
    pid = _pid(jobs)
    assert result(_index(jobs, b"a: b\r\n\r\nc", 9)).places
    assert _pid(jobs) == pid


def test_a_child_that_was_killed_is_replaced(jobs: Blocking) -> None:
    assert result(_index(jobs, b"a: b\r\n\r\nc", 9)).places
    os.kill(_pid(jobs), signal.SIGKILL)
    with pytest.raises(Died):
        result(_index(jobs, b"a: b\r\n\r\nc", 9))
    assert result(_index(jobs, b"a: b\r\n\r\nc", 9)).places


def test_no_child_is_left_behind(jobs: Blocking) -> None:
    result(_index(jobs, b"a: b\r\n\r\nc", 9))
    pid = _pid(jobs)
    jobs.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
