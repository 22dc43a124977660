"""What is done in threads gives the interpreter away: a regular expression, or one call in C over a whole message,
would hold it, and the reactor with it.

Measured is the processor time of this process between two turns of a thread that has nothing to do: what the rest of
the machine does is not in it.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from mpcontinuity.app.watch.lag import LONGEST_TURN
from mpcontinuity.message import dkim
from mpcontinuity.message.header_limits import LONGEST
from mpcontinuity.message.matching import Needle
from mpcontinuity.message.render import render_whole
from mpcontinuity.message.structure import scan
from mpcontinuity.message.summary import summarise

_SLOWER = 2  # than 50 ms: a machine that has half the speed of the one where a MiB took 46 ms at worst
_TRIES = 5
_UNITS = (b"a@b, ", b" (", b";a*=*", b"=?a?q?b?= ", b"a:\r\n", b"\xe9\xcc\x81", b'"')
_FIELDS = (b"To: ", b"Subject: ", b"Content-Type: text/plain; a=", b"Content-Disposition: a; a*=", b"DKIM-Signature: ")
_BODY = 4 << 20  # octets: what is right for it is right for more


def _messages() -> Iterator[bytes]:
    for field in _FIELDS:
        for unit in _UNITS:
            yield field + unit * ((LONGEST - 100) // len(unit)) + b"\r\n\r\nbody\r\n"
    for head in (b"", b"Content-Type: text/plain; charset=utf-8\r\n", b"Content-Transfer-Encoding: base64\r\n"):
        for unit in (b"\r\n", b"--a\r\n", b"x" * 998 + b"\r\n", b"\xc3\xa4"):
            yield head + b"\r\n" + unit * (_BODY // len(unit))


def _dkim(message: bytes) -> None:
    header = message[:LONGEST]
    for field in dkim.fields(header):
        dkim.canonical_field(field, "relaxed")


WORK: dict[str, Callable[[bytes], object]] = {
    "structure": scan,
    "render": render_whole,
    "search": lambda message: Needle("zz").in_text(message, True),
    "search in a field": lambda message: Needle("zz").in_header(message, "to"),
    "summary": summarise,
    "dkim": _dkim,
}


@pytest.mark.parametrize("name", WORK)
def test_no_thread_holds_the_interpreter_for_long(name: str) -> None:
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    try:
        for message in _messages():
            held = [_held(WORK[name], message)]
            if held[0] >= _SLOWER * LONGEST_TURN:  # what else this process did may be in it
                held.append(_held(WORK[name], message))
            assert min(held) < _SLOWER * LONGEST_TURN, f"{min(held) * 1000:.0f} ms: {message[:60]!r}"
    finally:
        sys.setswitchinterval(before)


def _held(work: Callable[[bytes], object], message: bytes) -> float:
    longest = 0.0
    thread = threading.Thread(target=work, args=(message,))
    thread.start()
    last = time.process_time()
    while thread.is_alive():
        time.sleep(0.0005)
        now = time.process_time()
        longest, last = max(longest, now - last), now
    thread.join()
    return longest
