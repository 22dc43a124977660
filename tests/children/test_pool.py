"""Children as real processes, with a real reactor."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from mpcontinuity.children.frames import LONGEST, BadFrame, FrameKind, Frames, frame
from mpcontinuity.children.pool import Children, _Child


def scene(name: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.children.scenes", name], capture_output=True, text=True, timeout=60, check=True
    )
    assert "Traceback" not in done.stdout, done.stdout
    return done.stdout.splitlines()


def test_one_child_works_on_one_thing_after_the_other() -> None:
    assert scene("one_after_the_other") == ["65543 True 0"]


def test_there_are_two_at_once_the_rest_waits_and_none_is_left_behind() -> None:
    assert scene("at_once") == ["2 2", "0 died: the server stops"]


def test_a_killed_child_ends_its_job_and_is_replaced() -> None:
    said, after = scene("killed")
    assert re.match("died: .*signal 9", said)
    assert after == "3 1"


def test_who_does_not_answer_in_time_is_killed() -> None:
    assert scene("overdue") == ["died: it did not answer within 1.5 s", "3 1"]


def test_who_wants_too_much_memory_dies() -> None:
    assert scene("too_much_memory") == ["True", "3"]


def test_work_that_fails_tells_why_and_its_child_goes_on() -> None:
    assert scene("failing") == ["died: ValueError: no", "True 0"]


def test_a_job_that_nobody_waits_for_ends_its_child() -> None:
    assert scene("cancelled") == ["CancelledError", "3"]


def test_a_child_without_work_ends() -> None:
    assert scene("idle") == ["0 0"]


def test_a_child_has_no_secrets_of_ours_and_no_open_files() -> None:
    secret, files = scene("poor")
    assert secret == "False"
    assert len(files.split()) <= 4  # three, and the one that lists them


def test_frames_are_whole_however_they_come() -> None:
    stream = frame(FrameKind.PIECE, b"abc") + frame(FrameKind.DONE)
    frames = Frames()
    assert [found for at in range(len(stream)) for found in frames.feed(stream[at : at + 1])] == [
        (FrameKind.PIECE, b"abc"),
        (FrameKind.DONE, b""),
    ]


@pytest.mark.parametrize("head", [b"\x09\0\0\0\0", b"\x01" + (LONGEST + 1).to_bytes(4, "big")])
def test_what_is_no_frame_is_not_waited_for(head: bytes) -> None:
    with pytest.raises(BadFrame):
        list(Frames().feed(head))


def test_an_answer_that_was_on_its_way_when_nobody_waited_any_more_is_no_error() -> None:
    clock = Clock()
    child = _Child(Children(clock), clock, within=1, idle=1)
    ended: list[Failure] = []
    answer = child.say(FrameKind.ASK, b"")
    answer.addErrback(ended.append)
    answer.cancel()
    child.outReceived(frame(FrameKind.ANSWER, b"late"))
    assert not child.at_work
    assert [failure.type for failure in ended] == [CancelledError]
