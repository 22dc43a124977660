"""`doctor`, asked of a running server: the same as on the command line, in a process that is bounded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from mpcontinuity.app.commands.client import connect
from mpcontinuity.app.watch import examiner
from mpcontinuity.app.watch.examiner import WITHIN, Examiner
from mpcontinuity.config.read import read
from mpcontinuity.model.errors import Temporary
from tests.app.running import Server
from tests.fakes.stores import result


class Reactor(Clock):
    """Begins no process: a test says what it does."""

    def __init__(self) -> None:
        super().__init__()
        self.doctors: list[Any] = []
        self.killed = 0

    def spawnProcess(self, doctor: Any, executable: str, arguments: list[str], env: dict[str, str]) -> None:
        assert arguments[-2:] == ["doctor", "--json"]
        doctor.transport = self
        self.doctors.append(doctor)

    def signalProcess(self, signal: str) -> None:
        assert signal == "KILL"
        self.killed += 1

    def ends(self, status: int, said: bytes = b"") -> None:
        doctor = self.doctors[-1]
        doctor.outReceived(said)
        doctor.processEnded(Failure(ProcessTerminated(status) if status else ProcessDone(0)))


@pytest.fixture
def reactor() -> Reactor:
    return Reactor()


@pytest.fixture
def examine(reactor: Reactor) -> Examiner:
    return Examiner(Path("mpcontinuity.toml"), reactor)


def asked(examine: Examiner) -> Deferred[bytes]:
    answer = Deferred.fromCoroutine(examine())
    answer.addErrback(lambda failure: failure.trap(Temporary) and b"later")
    return answer


def test_who_asks_meanwhile_or_soon_after_gets_the_same_examination(reactor: Reactor, examine: Examiner) -> None:
    first, second = asked(examine), asked(examine)
    reactor.ends(1, b"[1]")
    assert (result(first), result(second), result(asked(examine))) == (b"[1]", b"[1]", b"[1]")
    assert len(reactor.doctors) == 1
    reactor.advance(60)
    asked(examine)
    assert len(reactor.doctors) == 2


def test_one_that_takes_long_goes_on_and_its_end_is_there_for_the_next(reactor: Reactor, examine: Examiner) -> None:
    waiting = asked(examine)
    reactor.advance(WITHIN + 1)
    assert result(waiting) == b"later"
    reactor.ends(0, b"[2]")
    assert result(asked(examine)) == b"[2]"
    assert len(reactor.doctors) == 1


def test_one_that_fails_or_never_ends_is_no_answer_and_is_killed(
    reactor: Reactor, examine: Examiner, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = asked(examine)
    reactor.ends(2, b"Usage")
    assert result(failing) == b"later"
    asked(examine)
    reactor.advance(1_000)
    assert reactor.killed == 1
    reactor.ends(9)
    monkeypatch.setattr(examiner, "_MOST", 10)
    asked(examine)
    reactor.doctors[-1].outReceived(b"x" * 11)
    assert reactor.killed == 2
    examine.stop()
    assert reactor.killed == 3


def test_a_running_server_says_what_the_command_says(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        server.json("domain", "add", "example.org", "--home", "127.0.0.1:1")
        with connect(read(server.config), "root") as control:
            found = control.call("doctor")
        said = json.loads(server.run("doctor", "--json").stdout)
    # What is said of the domain depends on whether its home was probed by then.
    first, second = (
        [(row["check"], row["verdict"]) for row in rows if row["check"] != "example.org"] for rows in (found, said)
    )
    assert first == second
    assert ("server", "good") in [(row["check"], row["verdict"]) for row in found]
    assert any(row["check"] == "example.org" and row["verdict"] == "wrong" for row in found)
