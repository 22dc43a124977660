"""What a page answers, and how that is sent: the same for pages for machines and for people."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import http
from zope.interface import implementer

from mpcontinuity.model.errors import Kind, Refused, Stopping, Temporary
from mpcontinuity.web.channel import BoundedRequest
from mpcontinuity.web.inflow import ClientGone
from mpcontinuity.web.languages import ENGLISH, Language, marked

TEXT: Final = "text/plain; charset=utf-8"
HTML: Final = "text/html; charset=utf-8"

PIECE: Final = 64 * 1024  # octets that are written in one turn of the reactor: TLS takes 0.2 ms for them
TAKEN_WITHIN: Final = 60.0  # s that a client has to take what was written, before the next piece
_AGAIN_AFTER: Final = b"30"  # s, where it cannot be done now

# RFC 9110 §15; the kinds are those of model/errors.py.
CODES: Final[Mapping[Kind, int]] = {
    "invalid": http.BAD_REQUEST,
    "unknown": http.NOT_FOUND,
    "taken": http.CONFLICT,
    "conflict": http.CONFLICT,
    "forbidden": http.FORBIDDEN,
}

_NOT_NOW: Final = marked("This cannot be done now. Please try again in a minute.")
_ERROR: Final = marked("An error of the server, which its log tells of.")

_log = Logger()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a page answers: octets, their type, HTTP's status code, and header fields beside those of every answer."""

    body: bytes
    code: int = 200
    content_type: str = TEXT
    fields: Mapping[bytes, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer whose length nobody knows when it begins: ``pieces`` are its octets, in pieces of `PIECE` at most.

    Each is made when the client has taken the ones before, so that a client that does not read costs no memory; it is
    cut after `TAKEN_WITHIN`. Where the client goes, the generator is closed, also while it waits for news: it ends by
    CancelledError or GeneratorExit, for which it needs no more than ``finally``.
    """

    pieces: AsyncGenerator[bytes, None]
    content_type: str = TEXT
    fields: Mapping[bytes, bytes] = field(default_factory=dict)
    code: int = 200


def redirect(path: str, code: int = http.SEE_OTHER) -> Answer:
    """Returns an answer that sends the browser to a path of this server, by GET."""
    return Answer(b"", code, fields={b"location": path.encode("ascii")})


def explained(error: BaseException, language: Language = ENGLISH) -> tuple[int, str]:
    """Returns the status code for an error, and what a client is told of it in their language: nothing of what nobody
    expected."""
    if isinstance(error, Refused):
        text = language.said(error.text)
        return CODES[error.kind], f"{text[:1].upper()}{text[1:]}."
    if isinstance(error, Temporary | Stopping):
        return http.SERVICE_UNAVAILABLE, language.said(_NOT_NOW)
    return http.INTERNAL_SERVER_ERROR, language.said(_ERROR)


class AnsweredRequest(BoundedRequest):
    """A request that is answered by an `Answer` or a `Stream`, of which the client may be gone when it is there."""

    def answer_with(self, coming: Awaitable[Answer | Stream]) -> None:
        """Sends the answer once it is there; where it fails, an error that tells nothing, beside a line in the log."""
        Deferred.fromCoroutine(self._answer(coming)).addErrback(self._failed)

    async def _answer(self, coming: Awaitable[Answer | Stream]) -> None:
        self.send(await coming)

    def _failed(self, failure: Failure) -> None:
        if failure.check(ClientGone) is not None:
            return
        if failure.check(Refused, Temporary, Stopping) is None:
            _log.failure("page {page} failed", failure, page=self.shown)
        if self.startedWriting:  # half an answer is not to look like a whole one
            self.channel.cut()
            return
        code, sentence = explained(failure.value or RuntimeError(), self.language)
        self.send(self.explain(code, sentence))

    def explain(self, code: int, sentence: str) -> Answer:
        """Returns the answer that says what is wrong."""
        return Answer(f"{sentence}\n".encode(), code)

    @property
    def language(self) -> Language:
        """That of whoever asks, as far as the request alone says it."""
        return ENGLISH

    @property
    def shown(self) -> str:
        """How the log calls the page."""
        return repr(self.path)

    def not_allowed(self, *methods: bytes) -> None:
        """Says which methods the page has."""
        words = self.language.said(" or ").join(method.decode() for method in methods)
        said = self.language.said("There is %(methods)s here.", methods=words)
        answer = self.explain(http.NOT_ALLOWED, said)
        fields = {**answer.fields, b"allow": b", ".join(methods)}
        self.send(Answer(answer.body, answer.code, answer.content_type, fields))

    def send(self, answer: Answer | Stream) -> None:
        """Sends the answer, and ends the request."""
        if self._disconnected or self._refused:
            if isinstance(answer, Stream):
                Deferred.fromCoroutine(_dropped(answer.pieces)).addErrback(self._failed)
            return
        if isinstance(answer, Stream):
            self._send_stream(answer)
        elif len(answer.body) > PIECE and self.method != b"HEAD":
            fields = {**answer.fields, b"content-length": b"%d" % len(answer.body)}
            self._send_stream(Stream(_in_pieces(answer.body), answer.content_type, fields, answer.code))
        else:
            self._begin(answer)
            self.setHeader(b"content-length", b"%d" % len(answer.body))
            if self.method != b"HEAD":
                self.write(answer.body)
            self.finish()

    def _begin(self, answer: Answer | Stream) -> None:
        self.setResponseCode(answer.code)
        if self.leaves_a_body:
            self.part()
        self.setHeader(b"content-type", answer.content_type.encode())
        self.setHeader(b"cache-control", b"no-store")
        self.setHeader(b"x-content-type-options", b"nosniff")
        if answer.code == http.SERVICE_UNAVAILABLE:
            self.setHeader(b"retry-after", _AGAIN_AFTER)
        for name, value in answer.fields.items():
            self.setHeader(name, value)

    def _send_stream(self, answer: Stream) -> None:
        self._begin(answer)
        outflow = _Outflow(self.channel)
        sending = Deferred.fromCoroutine(self._stream(answer, outflow))
        self.notifyFinish().addErrback(lambda gone: sending.cancel())
        sending.addErrback(lambda failure: failure.trap(CancelledError)).addErrback(self._failed)

    async def _stream(self, answer: Stream, outflow: _Outflow) -> None:
        self.registerProducer(outflow, True)
        try:
            if self.method != b"HEAD":
                async for piece in answer.pieces:
                    self.write(piece)
                    await outflow.room()
        finally:
            outflow.stopProducing()
            if not self._disconnected:
                self.unregisterProducer()
            if self.method == b"HEAD":
                await _dropped(answer.pieces)
            else:
                await answer.pieces.aclose()
        self.finish()


async def _in_pieces(body: bytes) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(body), PIECE):
        yield body[start : start + PIECE]


async def _dropped(pieces: AsyncGenerator[bytes, None]) -> None:
    """Ends a generator of which nothing was taken: it is begun, since one that has not begun would not see its end, nor
    tell whoever makes its pieces that nobody listens."""
    try:
        await anext(pieces, None)
    finally:
        await pieces.aclose()


@implementer(IPushProducer)
class _Outflow:
    """Says when a client has taken what was written, and cuts who takes nothing."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self._waiting: Deferred[None] | None = None
        self._full = False
        self._deadline: Any = None

    def pauseProducing(self) -> None:  # noqa: N802
        if not self._full:
            self._full = True
            self._deadline = self._channel.factory.reactor.callLater(TAKEN_WITHIN, self._channel.cut)

    def resumeProducing(self) -> None:  # noqa: N802
        self._full = False
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)

    def stopProducing(self) -> None:  # noqa: N802
        self.resumeProducing()

    async def room(self) -> None:
        """Waits until the client has taken what was written."""
        if self._full:
            self._waiting = Deferred()
            await self._waiting
