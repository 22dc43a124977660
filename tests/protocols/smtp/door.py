"""A door for tests: answers what the server's engine asks, and plays dialogues of ``C:`` and ``S:`` lines."""

from __future__ import annotations

from mpcontinuity.model.reply import Reply
from mpcontinuity.protocols.smtp.events import Chunk, Data, EndOfData, Event
from mpcontinuity.protocols.smtp.server import ServerEngine
from mpcontinuity.protocols.smtp.terms import Limits, Offers

OK = Reply(250, "2.0.0", "OK")
GO = Reply(354, "", "Go ahead")


class Door:
    """Says yes to everything but what ``answers`` has for the name of an event's class."""

    def __init__(self, limits: Limits | None = None, offers: Offers | None = None, **answers: Reply) -> None:
        self.engine = ServerEngine("mx.example.org", limits, offers)
        self.events: list[Event] = []
        self.answers = answers

    def hear(self, data: bytes) -> bytes:
        """What the engine says to it, everything that waits answered at once."""
        self.engine.receive(data)
        self.work()
        return self.engine.to_send()

    def work(self) -> None:
        while (event := self.engine.next_event()) is not None:
            self.events.append(event)
            if event.waits:
                self.engine.reply(self._answer(event))

    def _answer(self, event: Event) -> Reply:
        if isinstance(event, EndOfData) and event.fault is not None:
            return event.fault
        return self.answers.get(type(event).__name__, GO if isinstance(event, Data) else OK)

    @property
    def content(self) -> bytes:
        return b"".join(event.data for event in self.events if isinstance(event, Chunk))

    @property
    def merged_events(self) -> list[Event]:
        """Events with neighbouring chunks joined: what must not depend on how the stream was cut.

        How much of a message is given out before a fault in it shows does, and it is thrown away.
        """
        merged: list[Event] = []
        for event in self.events:
            if isinstance(event, Chunk) and merged and isinstance(merged[-1], Chunk):
                merged[-1] = Chunk(merged[-1].data + event.data)
            else:
                merged.append(event)
        following = [*merged[1:], None]
        return [
            event
            for event, after in zip(merged, following, strict=True)
            if not isinstance(event, Chunk) or (isinstance(after, EndOfData) and after.fault is None)
        ]


def play(dialogue: str, door: Door | None = None) -> Door:
    """Each run of ``C:`` lines is sent at once; the ``S:`` lines after it are all that must come back.

    ``S: 250-`` or ``S: 250 2.1.0`` stands for any line that begins so. ``\\xNN`` in a client's line is that octet.
    """
    door = door or Door()
    door.engine.greet()
    said = door.engine.to_send()
    pending: list[str] = []
    expected: list[str] = []
    for line in [*dialogue.strip().splitlines(), "C: "]:
        side, _, text = line.strip().partition(":")
        text = text.removeprefix(" ")
        if side == "S":
            if pending:
                said = door.hear(b"".join(_octets(sent) + b"\r\n" for sent in pending))
                pending = []
            expected.append(text)
            continue
        assert side == "C", line
        if expected:
            _compare(said, expected)
            said, expected = b"", []
        pending.append(text)
    return door


def _octets(text: str) -> bytes:
    return text.encode("latin-1").decode("unicode_escape").encode("latin-1")


def _compare(said: bytes, expected: list[str]) -> None:
    lines = said.decode("ascii").split("\r\n")
    assert lines.pop() == ""
    assert len(lines) == len(expected), (lines, expected)
    for line, beginning in zip(lines, expected, strict=True):
        assert line.startswith(beginning), (line, beginning)
