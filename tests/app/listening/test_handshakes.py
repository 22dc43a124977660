from __future__ import annotations

import gc

from mpcontinuity.app.listening.handshakes import Handshakes
from tests.fakes.clock import ManualClock


class Speaker:
    """What speaks TLS, as far as it is looked at. ``finished`` as of pyOpenSSL; ``gone``: closed meanwhile."""

    def __init__(self, *, finished: bytes | None = None, gone: bool = False) -> None:
        self._finished = finished
        self._gone = gone
        self.aborted = False

    def getHandle(self) -> Speaker | None:
        return None if self._gone else self

    def get_peer_finished(self) -> bytes | None:
        return self._finished

    def abortConnection(self) -> None:
        self.aborted = True


def test_only_a_handshake_that_has_not_ended_in_time_is_cut() -> None:
    clock = ManualClock()
    handshakes = Handshakes(clock, 30)
    silent, done, gone = Speaker(), Speaker(finished=b"yes"), Speaker(gone=True)
    for speaker in (silent, done, gone):
        handshakes.begin(speaker)
    clock.advance(20)
    late = Speaker()
    handshakes.begin(late)
    clock.advance(9)
    assert not silent.aborted
    clock.advance(2)
    assert [speaker.aborted for speaker in (silent, done, gone, late)] == [True, False, False, False]
    clock.advance(20)
    assert late.aborted
    assert not clock.getDelayedCalls()


def test_what_was_closed_is_not_kept() -> None:
    clock = ManualClock()
    handshakes = Handshakes(clock, 30)
    gc.collect()
    for _ in range(1000):
        handshakes.begin(Speaker())
    assert not [thing for thing in gc.get_objects() if isinstance(thing, Speaker)]
    assert len(clock.getDelayedCalls()) == 1
