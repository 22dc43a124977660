"""The pool of child processes: begun when there is work, replaced when they die, ended when there is none.

There is one pool for all kinds of work but the display of messages (``readers.py``). Nobody who uses it may depend on
a child: if one dies, what it was doing fails with Died, and may be tried once more or left out.
"""

from __future__ import annotations

import math
import os
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

import mpcontinuity
from mpcontinuity.children.frames import ENOUGH, BadFrame, FrameKind, Frames, frame
from mpcontinuity.model.timer import Alarm

MOST: Final = 2  # children at once: of two cores one is left to mail
WITHIN: Final = 10.0  # s for an answer; who is silent for longer is killed
IDLE: Final = 60.0  # s; then a child ends, and its 40 MiB are free
_BEGINS_WITHIN: Final = 30.0  # s for a child to load what it works with, on a machine that has much to do
_AGAIN: Final = 0.2  # s before a child that ended is replaced: one that cannot begin costs no more than a twentieth
PIECE: Final = 65_536  # octets that are fed at once: the next is read when the child has worked on this one
# Of our environment, what Python needs: no secret that an administrator put there goes to who reads hostile octets.
_ENVIRONMENT: Final = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONHOME", "VIRTUAL_ENV")
_PROGRAM: Final = ("mpcontinuity.children.child",)

_log = Logger()


class Died(Exception):
    """Raised when a child has ended or was ended.

    It took too long or too much memory, was killed, or its work raised something.
    """


class Job(Protocol):
    """One thing that a child works on."""

    async def feed(self, piece: bytes) -> bool:
        """Gives the child the next piece of the content, and returns whether more of it is wanted. Raises Died."""
        ...

    async def ask(self, question: bytes) -> bytes:
        """Asks the child about the content, and returns the answer. Raises Died."""
        ...

    def close(self) -> None:
        """Gives the child back to the pool, or kills it where it is still at work."""
        ...


class Jobs(Protocol):
    """Begins jobs: `Children`, or what takes its place in tests and simulations."""

    async def begin(self, kind: str, argument: bytes) -> Job:
        """Begins a job. ``kind`` is the name of a module with a class ``Work`` (children/child.py). Raises Died."""
        ...


def command(program: Sequence[str] = _PROGRAM) -> tuple[list[str], dict[str, str]]:
    """Returns the command that is a child, with its whole environment. ``program`` is a module, and its arguments."""
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    environment["PYTHONPATH"] = str(Path(mpcontinuity.__file__).parent.parent)
    return [sys.executable, "-P", "-m", *program], environment


class Children:
    """The pool. It lives in the reactor thread; ``reactor`` spawns processes and makes calls later.

    There are ``most`` children at once. An answer may take ``within`` seconds, and a child without work ends after
    ``idle`` seconds. ``died`` counts the children that ended without having been asked to.

    A whole job may take ``whole`` seconds, of which only those count in which the child is waited for. ``program`` is
    what a child runs; where it ``announces`` that it is ready, it is given nothing before.
    """

    def __init__(
        self,
        reactor: Any,
        *,
        most: int = MOST,
        within: float = WITHIN,
        idle: float = IDLE,
        whole: float = math.inf,
        program: Sequence[str] = _PROGRAM,
        announces: bool = False,
    ) -> None:
        self.died = 0  # that were not asked to
        self._reactor = reactor
        self._most = most
        self._within = within
        self._whole = whole
        self._idle = idle
        self._program = program
        self._announces = announces
        self._kept = False
        self._again: Alarm | None = None
        self._free: list[_Child] = []
        self._all: set[_Child] = set()
        self._waiting: deque[Deferred[None]] = deque()
        self._stopping = False

    @property
    def pids(self) -> list[int]:
        """The process ids of the children that live."""
        return [child.pid for child in self._all if child.pid]

    async def begin(self, kind: str, argument: bytes) -> Job:
        """Begins a job as soon as a child is free. Raises Died, also once the pool is stopped."""
        while not self._stopping and not self._free and len(self._all) >= self._most:
            waiting: Deferred[None] = Deferred(lambda deferred: self._waiting.remove(deferred))
            self._waiting.append(waiting)
            await waiting
        if self._stopping:
            raise Died("the server stops")
        child = self._free.pop() if self._free else self._spawned()
        job = _Job(self, child)
        try:
            if child.at_work:  # it was begun for this, and has to load what it works with
                await child.ready
            child.allow(self._whole)
            await child.say(FrameKind.BEGIN, kind.encode("ascii") + b"\n" + argument)
        except BaseException:
            job.close()
            raise
        return job

    def keep(self) -> None:
        """Begins as many children as there may be, before there is work, and again where one ends."""
        self._kept = True
        self._again = None
        while not self._stopping and len(self._all) < self._most:
            try:
                child = self._spawned()
            except Died as error:
                _log.warn("no child could be begun: {error}", error=error)
                self._keep_again()
                return
            if self._announces:
                child.ready.addCallbacks(partial(self._is_ready, child), _is_told)
            else:
                self._given_back(child)

    def _is_ready(self, child: _Child, _: bytes) -> None:
        self._given_back(child)

    def _keep_again(self) -> None:
        if self._kept and not self._stopping and self._again is None:
            self._again = self._reactor.callLater(_AGAIN, self.keep)

    def stop(self) -> None:
        """Kills all children; whoever waits for one gets Died."""
        self._stopping = True
        if self._again is not None:
            self._again.cancel()
        for child in list(self._all):
            child.end()
        while self._waiting:
            self._waiting.popleft().callback(None)

    def _spawned(self) -> _Child:
        child = _Child(self, self._reactor, self._within, self._idle)
        self._all.add(child)
        arguments, environment = command(self._program)
        pipes = {0: "w", 1: "r", 2: 2}
        try:
            self._reactor.spawnProcess(child, arguments[0], arguments, env=environment, childFDs=pipes)
        except OSError as error:
            self._all.discard(child)
            raise Died(f"no child could be begun: {error}") from error
        if self._announces:
            child.expect(_BEGINS_WITHIN)
        return child

    def _given_back(self, child: _Child) -> None:
        if child in self._all:
            self._free.append(child)
            child.rest()
        self._next()

    def _gone(self, child: _Child, why: str, *, wanted: bool) -> None:
        self._all.discard(child)
        if child in self._free:
            self._free.remove(child)
        if not wanted:
            self.died += 1
            _log.warn("a child that reads mail has ended: {why}", why=why, often=True)
        self._next()
        self._keep_again()

    def _next(self) -> None:
        if self._waiting:
            self._waiting.popleft().callback(None)


def _is_told(_: Failure) -> None:
    """That it has ended was logged."""


class _Job:
    def __init__(self, children: Children, child: _Child) -> None:
        self._children = children
        self._child: _Child | None = child

    async def feed(self, piece: bytes) -> bool:
        return await self._said(FrameKind.PIECE, piece) != ENOUGH

    async def ask(self, question: bytes) -> bytes:
        return await self._said(FrameKind.ASK, question)

    async def _said(self, kind: FrameKind, payload: bytes) -> bytes:
        if self._child is None:
            raise Died("the job is closed")
        return await self._child.say(kind, payload)

    def close(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        if child.at_work:  # whoever asked waits no longer; what it answers would be taken for another answer
            child.end()
        else:
            self._children._given_back(child)


class _Child(ProcessProtocol):
    def __init__(self, children: Children, reactor: Any, within: float, idle: float) -> None:
        self.pid = 0
        self.ready: Deferred[bytes] = Deferred()
        self._children = children
        self._reactor = reactor
        self._within = within
        self._idle = idle
        self._left = math.inf  # s that its job may still take
        self._asked_at = 0.0
        self._frames = Frames()
        self._answer: Deferred[bytes] | None = None
        self._alarm: Alarm | None = None
        self._ended = False  # because we want it
        self._why = ""

    @property
    def at_work(self) -> bool:
        return self._answer is not None

    def expect(self, within: float) -> None:
        """From now on: it says by itself that it is ready."""
        self._answer = self.ready
        self._wait(within, f"it was not ready within {within:g} s")

    def allow(self, seconds: float) -> None:
        """A job begins, which may take so long."""
        self._left = seconds

    def say(self, kind: FrameKind, payload: bytes) -> Deferred[bytes]:
        """The answer. Fails with Died."""
        answer: Deferred[bytes] = Deferred(lambda _: self._overdue("nobody waits for it any more"))
        self._answer = answer
        seconds = min(self._within, self._left)
        self._asked_at = self._reactor.seconds()
        self._wait(max(seconds, 0.0), f"it did not answer within {self._within:g} s")
        transport: Any = self.transport
        if transport is not None and transport.pid:
            transport.writeToChild(0, frame(kind, payload))
        return answer

    def rest(self) -> None:
        self._quiet()
        self._alarm = self._reactor.callLater(self._idle, self.end) if self._idle < math.inf else None

    def end(self) -> None:
        """Wanted by us."""
        self._ended = True
        self._kill()

    def _wait(self, seconds: float, why: str) -> None:
        self._quiet()
        self._alarm = self._reactor.callLater(seconds, self._overdue, why)

    def _overdue(self, why: str) -> None:
        self._why = why
        self._kill()

    def _kill(self) -> None:
        self._quiet()
        transport: Any = self.transport
        if transport is not None:
            with suppress(ProcessExitedAlready):
                transport.signalProcess("KILL")

    def _quiet(self) -> None:
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()
        self._alarm = None

    # Twisted's calls

    def connectionMade(self) -> None:  # noqa: N802
        transport: Any = self.transport
        self.pid = transport.pid

    def outReceived(self, data: bytes) -> None:  # noqa: N802
        try:
            for kind, payload in self._frames.feed(data):
                self._said(kind, payload)
        except BadFrame as error:
            self._overdue(f"what it says is no answer: {error}")

    def _said(self, kind: FrameKind, payload: bytes) -> None:
        answer, self._answer = self._answer, None
        if answer is None or kind < FrameKind.DONE:
            raise BadFrame("unasked")
        self._quiet()
        self._left -= self._reactor.seconds() - self._asked_at
        if answer.called:  # given up while the answer was in the pipe: the child is being killed
            return
        if kind is FrameKind.FAILED:
            answer.errback(Died(payload.decode("utf-8", "replace")))
        else:
            answer.callback(payload)

    def processEnded(self, reason: Failure) -> None:  # noqa: N802
        self._quiet()
        self.pid = 0
        why = self._why or str(reason.value)
        answer, self._answer = self._answer, None
        self._children._gone(self, why, wanted=self._ended)
        if answer is not None and not answer.called:
            answer.errback(Died(why))
