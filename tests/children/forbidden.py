"""A kind of work for tests: it tries what a reader process may not do."""

from __future__ import annotations

import ctypes
import importlib
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Callable

_LIBC = ctypes.CDLL(None, use_errno=True)


def _ptrace() -> object:
    if _LIBC.ptrace(16, os.getppid(), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")
    return "attached"


TRIES: dict[str, Callable[[], object]] = {
    "open": lambda: open("/etc/passwd").read(),  # noqa: SIM115
    "open for writing": lambda: open("/tmp/mpc-escaped", "w"),  # noqa: SIM115
    "socket": socket.socket,
    "socket of the machine": lambda: socket.socket(socket.AF_UNIX),
    "fork": os.fork,
    "execute": lambda: os.execv("/bin/true", ["true"]),
    "begin a program": lambda: subprocess.run(["/bin/true"], check=False),
    "kill the parent": lambda: os.kill(os.getppid(), signal.SIGKILL),
    "ptrace": _ptrace,
    "limit the parent": lambda: resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1)),
    "more files": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (10, 10)),
    "a pipe": os.pipe,
    "list": lambda: os.listdir("/"),
    "remove": lambda: os.unlink("/tmp/mpc-escaped"),
    "import": lambda: importlib.import_module("wave"),
}


class Work:
    def __init__(self, argument: bytes) -> None: ...

    def feed(self, piece: bytes) -> bool:
        return True

    def ask(self, question: bytes) -> bytes:
        if question == b"loop":
            while True:
                pass
        if question == b"sleep":
            time.sleep(60)
        if question == b"memory":
            bytearray(1 << 30)
        if question == b"environment":
            return repr(dict(os.environ)).encode()
        if question == b"pid":
            return b"%d" % os.getpid()
        try:
            return f"done: {TRIES[question.decode()]()}".encode()
        except (OSError, ImportError, ValueError) as error:
            return type(error).__name__.encode()
