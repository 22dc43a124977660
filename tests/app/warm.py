"""A process that has imported the server already, and forks one whenever a test starts it.

Nine tenths of what a start of ``twistd`` computes is the import of the same modules. All that follows (options,
configuration, store, reactor, listeners) happens in the process that was forked, as in one that was started.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

from twisted.scripts import twistd

from mpcontinuity.admin.portal.site import templates
from mpcontinuity.web.templates import Templates

_LONGEST = 262_144  # octets of a request: an environment and a command line
_NUMBER = struct.Struct("i")  # of a process, when it has begun, and its exit status, when it has ended


class Forked:
    """A server that was forked, as far as a test needs ``subprocess.Popen``."""

    def __init__(self, arguments: list[str], *, output: IO[bytes], folder: Path) -> None:
        """``arguments`` are those of ``twistd``; ``folder`` is where it runs."""
        request = json.dumps({"arguments": arguments, "folder": str(folder), "environment": dict(os.environ)}).encode()
        self._told, telling = os.pipe()
        try:
            socket.send_fds(_warm(), [request], [output.fileno(), telling])
        finally:
            os.close(telling)
        self._status: int | None = None
        self.pid = self._hear()

    def poll(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._ended(0)

    def wait(self, timeout: float) -> int:
        """The same, waited for. Raises subprocess.TimeoutExpired."""
        status = self._ended(timeout)
        if status is None:
            raise subprocess.TimeoutExpired("twistd", timeout)
        return status

    def send_signal(self, number: signal.Signals) -> None:
        """As long as it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def _ended(self, within: float) -> int | None:
        if self._status is None and select.select([self._told], [], [], within)[0]:
            self._status = self._hear()
            os.close(self._told)
        return self._status

    def _hear(self) -> int:
        data = os.read(self._told, _NUMBER.size)
        assert data, "the process that forks servers has ended"
        return int(_NUMBER.unpack(data)[0])


def _warm() -> socket.socket:
    """The process that forks: one, also where the first servers are started by several threads at once."""
    with _beginning:
        return _begin()


@functools.cache
def _begin() -> socket.socket:
    """It ends when nobody has this socket any more."""
    ours, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with other:
        command = [sys.executable, "-m", __name__, str(other.fileno())]
        _processes.append(subprocess.Popen(command, pass_fds=[other.fileno()]))
    return ours


_beginning = threading.Lock()
_processes: list[subprocess.Popen[bytes]] = []


def _fork_when_asked(asked: socket.socket) -> bool:
    """Whether this is a server now: False once nobody asks any more."""
    children: dict[int, tuple[int, int]] = {}  # process, and who hears of its end, by the descriptor that tells it
    while True:
        ready, _, _ = select.select([asked.fileno(), *children], [], [])
        for descriptor in children.keys() & ready:
            pid, telling = children.pop(descriptor)
            os.close(descriptor)
            with contextlib.suppress(BrokenPipeError), open(telling, "wb", buffering=0) as tell:
                tell.write(_NUMBER.pack(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))
        if asked.fileno() in ready:
            request, descriptors, _, _ = socket.recv_fds(asked, _LONGEST, 2)
            if not request:
                for pid, _ in children.values():
                    os.kill(pid, signal.SIGTERM)
                return False
            output, telling = descriptors
            if (pid := os.fork()) == 0:
                asked.close()
                for descriptor, (_, other) in children.items():
                    os.close(descriptor)
                    os.close(other)
                os.close(telling)
                _become(json.loads(request), output)
                return True
            os.close(output)
            os.write(telling, _NUMBER.pack(pid))
            children[os.pidfd_open(pid)] = pid, telling


def _become(request: dict[str, object], output: int) -> None:
    """What an exec would have changed."""
    environment, arguments = request["environment"], request["arguments"]
    assert isinstance(environment, dict)
    assert isinstance(arguments, list)
    os.chdir(str(request["folder"]))
    os.environ.clear()
    os.environ.update(environment)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.close(output)
    sys.argv = ["twistd", *arguments]


def main() -> None:
    imported = ("mpcontinuity.app.service", "psycopg", "twisted.application.reactors", "twisted.scripts._twistd_unix")
    for module in imported:  # whatever a start would, except for the reactor, which has descriptors of its own
        importlib.import_module(module)
    templates()
    Templates("mpcontinuity.access.webmail")  # compiled
    gc.freeze()  # no server need look through all of that when it ends
    if _fork_when_asked(socket.socket(fileno=int(sys.argv[1]))):
        twistd.run()


if __name__ == "__main__":
    main()
