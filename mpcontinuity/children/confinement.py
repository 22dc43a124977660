"""Takes from a process what it does not need to compute: files, network, other programs, other processes.

On Linux on x86-64 and aarch64 the kernel refuses every system call that is not in a short list (seccomp). Elsewhere the
limits on files and processes hold alone, so that nothing can be opened or begun; what is missing there is that the
kernel also refuses calls that need no new file.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import struct
import sys
from collections.abc import Mapping
from typing import Final

# What Python, its allocator and its clocks need, once everything is loaded; prlimit64 is for the process itself alone.
_CALLS: Final[Mapping[str, tuple[int, tuple[int, ...], int]]] = {
    # machine: audit's number of it (linux/audit.h), calls that are allowed, prlimit64
    "x86_64": (
        0xC000003E,
        (
            0,
            1,
            3,
            5,
            9,
            10,
            11,
            12,
            13,
            14,
            15,
            20,
            24,
            25,
            28,
            38,
            39,
            60,
            98,
            131,
            186,
            202,
            219,
            228,
            230,
            231,
            273,
            318,
            334,
        ),
        302,
    ),
    "aarch64": (
        0xC00000B7,
        (
            57,
            63,
            64,
            66,
            80,
            93,
            94,
            98,
            99,
            103,
            113,
            115,
            124,
            128,
            132,
            134,
            135,
            139,
            165,
            172,
            178,
            214,
            215,
            216,
            222,
            226,
            233,
            278,
            293,
        ),
        261,
    ),
}
_NO_NEW_PRIVILEGES: Final = 38  # prctl(2)
_SET_SECCOMP: Final = 22
_FILTER: Final = 2

# seccomp's instructions (linux/bpf_common.h), and where in struct seccomp_data is what (linux/seccomp.h).
_LOAD: Final = 0x20
_EQUAL: Final = 0x15
_RETURN: Final = 0x06
_NUMBER, _MACHINE, _FIRST_ARGUMENT, _ITS_UPPER_HALF = 0, 4, 16, 20
_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000 | errno.EPERM
_KILL: Final = 0x80000000


def confine() -> bool:
    """Takes from this process, for good, all but its memory and the pipes that it has.

    Returns whether the kernel checks each of its calls; where it cannot, only limits hold.
    """
    for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC, resource.RLIMIT_CORE):
        resource.setrlimit(limit, (0, 0))
    os.environ.clear()
    known = _CALLS.get(platform.machine()) if sys.platform == "linux" else None
    return known is not None and _filtered(*known)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def _filtered(machine: int, calls: tuple[int, ...], limits: int) -> bool:
    instructions = _program(machine, calls, limits)
    library = ctypes.CDLL(None, use_errno=True)
    program = _Program(len(instructions) // 8, instructions)
    if library.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        return False
    return bool(library.prctl(_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0) == 0)


def _program(machine: int, calls: tuple[int, ...], limits: int) -> bytes:
    """A call of another machine's table (x32 is one: its numbers are in no list) is refused or kills."""

    def each(code: int, value: int, if_so: int = 0, if_not: int = 0) -> bytes:
        return struct.pack("=HBBI", code, if_so, if_not, value)

    # Behind the list: prlimit64 (5 instructions), refuse, allow.
    count = len(calls)
    listed = [each(_EQUAL, call, if_so=count - at - 1 + 6) for at, call in enumerate(calls)]
    return b"".join(
        (
            each(_LOAD, _MACHINE),
            each(_EQUAL, machine, if_so=1),
            each(_RETURN, _KILL),
            each(_LOAD, _NUMBER),
            *listed,
            each(_EQUAL, limits, if_so=0, if_not=4),
            each(_LOAD, _FIRST_ARGUMENT),
            each(_EQUAL, 0, if_so=0, if_not=2),
            each(_LOAD, _ITS_UPPER_HALF),
            each(_EQUAL, 0, if_so=1, if_not=0),
            each(_RETURN, _REFUSE),
            each(_RETURN, _ALLOW),
        )
    )
