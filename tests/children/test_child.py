"""The child, as a process of its own."""

from __future__ import annotations

import subprocess
import sys

from mpcontinuity.children.frames import FrameKind, frame


def test_a_child_whose_parent_was_killed_ends_and_says_nothing() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "mpcontinuity.children.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        child.stdin.write(frame(FrameKind.BEGIN, b"no.such.module\n"))
        child.stdin.flush()
        assert child.wait(30) == 0
        assert child.stderr.read() == b""
