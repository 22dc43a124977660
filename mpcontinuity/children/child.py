"""The program of a child process, ``python -m mpcontinuity.children.child``.

It works on one thing after the other, until its parent closes the pipe or kills it. A kind of work is a module with a
class ``Work``. An object of it is made from the argument, is fed with the content in pieces, and is asked as often as
need be. The child has no more than what it is sent: no store, no network and no keys.
"""

from __future__ import annotations

import importlib
import math
import os
import resource
import signal
from collections.abc import Iterator
from typing import Protocol

from mpcontinuity.children.frames import ENOUGH, FrameKind, Frames, frame

MEMORY = 256 << 20  # octets of address space; Python and OpenSSL take 40 MiB, the worst header known 80
SECONDS = 10  # of processor time for one thing; the parent waits less, on a machine with time to spare
_READ = 65_536
_NICE = 5  # mail that passes goes first


class Work(Protocol):
    """What the class ``Work`` of a module must have.

    It may raise anything. The parent is told of it then, and the child goes on with the next thing.
    """

    def __init__(self, argument: bytes) -> None: ...

    def feed(self, piece: bytes) -> bool:
        """Takes the next piece of the content, and returns whether more of it is wanted."""
        ...

    def ask(self, question: bytes) -> bytes:
        """Answers a question about the content so far."""
        ...


def main() -> None:
    """Works until the parent closes the pipe."""
    limit(MEMORY)
    serve(SECONDS)


def limit(memory: int) -> None:
    """Gives this process so many octets of memory, and lets mail that passes go first."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(_NICE)


def serve(seconds: int) -> None:
    """Works on what comes, with so many seconds of processor time for each thing, until the parent closes the pipe."""
    work: Work | None = None
    for kind, payload in _received():
        try:
            answer = b""
            if kind is FrameKind.BEGIN:
                work = None
                _allow(seconds)
                module, _, argument = payload.partition(b"\n")
                work = _made(module.decode("ascii"), argument)
            elif work is None:
                raise RuntimeError("nothing has begun")
            elif kind is FrameKind.PIECE:
                answer = b"" if work.feed(payload) else ENOUGH
            else:
                answer = work.ask(payload)
            say(frame(FrameKind.ANSWER if kind is FrameKind.ASK else FrameKind.DONE, answer))
        except MemoryError:
            os._exit(1)  # what is left of us is in no good state
        except Exception as error:
            work = None
            say(frame(FrameKind.FAILED, f"{type(error).__name__}: {error}"[:500].encode("utf-8", "replace")))


def _made(module: str, argument: bytes) -> Work:
    work: type[Work] = importlib.import_module(module).Work
    return work(argument)


def _allow(seconds: int) -> None:
    """From now on: the timer ends the process once it has computed for so long. The limit, which knows whole seconds
    only and is on what a process has used since it began, holds for what disarms the timer."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used.ru_utime + used.ru_stime) + seconds, hard))
    signal.setitimer(signal.ITIMER_PROF, seconds)


def _received() -> Iterator[tuple[FrameKind, bytes]]:
    frames = Frames()
    while data := os.read(0, _READ):
        yield from frames.feed(data)


def say(data: bytes) -> None:
    """Tells the parent a frame."""
    try:
        while data:
            data = data[os.write(1, data) :]
    except BrokenPipeError:  # the parent was killed: nobody is there to be told, and its log is no place for ours
        os._exit(0)


if __name__ == "__main__":
    main()
