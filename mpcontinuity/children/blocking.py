"""One child process for a command that works on the store itself, where no reactor runs: it is waited for."""

from __future__ import annotations

import select
import subprocess
from contextlib import suppress

from mpcontinuity.children.frames import ENOUGH, BadFrame, FrameKind, Frames, frame
from mpcontinuity.children.pool import WITHIN, Died, Job, command


class Blocking:
    """Begins jobs as `Children` does, one at a time. The child is begun when it is needed, and again after it died."""

    def __init__(self) -> None:
        self._child: _Child | None = None

    async def begin(self, kind: str, argument: bytes) -> Job:
        """Begins a job, as `Jobs` says. Raises Died."""
        if self._child is None or self._child.dead:
            self._child = _Child()
        self._child.say(FrameKind.BEGIN, kind.encode("ascii") + b"\n" + argument)
        return self._child

    def stop(self) -> None:
        """Ends the child."""
        if self._child is not None:
            self._child.end()


class _Child:
    """The child, and the job that it is at."""

    def __init__(self) -> None:
        self.dead = False
        self._frames = Frames()
        arguments, environment = command()
        try:
            self._process = subprocess.Popen(
                arguments, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
            )
        except OSError as error:
            raise Died(f"no child could be begun: {error}") from error

    async def feed(self, piece: bytes) -> bool:
        return self.say(FrameKind.PIECE, piece) != ENOUGH

    async def ask(self, question: bytes) -> bytes:
        return self.say(FrameKind.ASK, question)

    def close(self) -> None:
        """Nothing is under way here: each answer was waited for."""

    def say(self, kind: FrameKind, payload: bytes) -> bytes:
        assert self._process.stdin is not None
        try:
            left = memoryview(frame(kind, payload))
            while left:
                left = left[self._process.stdin.write(left) :]
            kind, answer = self._heard()
        except (OSError, BadFrame) as error:
            self.end()
            raise Died(str(error)) from error
        if kind is FrameKind.FAILED:
            raise Died(answer.decode("utf-8", "replace"))
        return answer

    def _heard(self) -> tuple[FrameKind, bytes]:
        assert self._process.stdout is not None
        while True:
            if not select.select([self._process.stdout], [], [], WITHIN)[0]:
                raise OSError(f"it did not answer within {WITHIN:g} s")
            data = self._process.stdout.read(1 << 20)
            if not data:
                raise OSError("it has ended")
            for kind, payload in self._frames.feed(data):
                return kind, payload

    def end(self) -> None:
        self.dead = True
        with suppress(OSError):
            self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()
