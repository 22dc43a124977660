"""The server's side of SMTP: octets in, events out, replies in their order.

A door gives ``receive`` what the client sent, takes events from ``next_event`` until that is None, answers those that
wait by ``reply``, and sends ``to_send`` once per turn. While an event waits for its reply no other is given, so that
pipelined commands are answered in order. ``Limits.buffer`` bounds the memory per connection, whether the client has
logged in or not. A command line is kept until it is complete (at most ``Limits.command_line``), a message never. What
arrives while an event waits is kept too (``waiting``), so the door stops reading then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mpcontinuity.model.reply import Reply
from mpcontinuity.protocols.smtp import auth, command
from mpcontinuity.protocols.smtp.command import BadCommand
from mpcontinuity.protocols.smtp.data import ChunkReader, DataReader, Dropping
from mpcontinuity.protocols.smtp.events import (
    Auth,
    AuthAnswer,
    AuthCancelled,
    Chunk,
    Data,
    Disconnect,
    EndOfData,
    Etrn,
    Event,
    Hello,
    Mail,
    Rcpt,
    Reset,
    StartTls,
)
from mpcontinuity.protocols.smtp.misuse import Misuse
from mpcontinuity.protocols.smtp.replies import encode
from mpcontinuity.protocols.smtp.terms import Limits, Offers

_TOO_MUCH_WAITS = Reply(421, "4.7.0", "Too much was sent without waiting for replies")
_LONG_LINE = BadCommand(500, "5.5.2", "Command line too long")
_BARE_LINE_FEED = BadCommand(500, "5.5.2", "Command lines end in CRLF")
_NODE_NOT_ALLOWED = 459  # RFC 1985 §5.2: somebody guesses domains
_INJECTED = "sent bytes behind STARTTLS"


class ServerEngine:
    """The engine of one connection.

    The door may change ``offers`` before EHLO is read, as after TLS and after AUTH.
    """

    unsent = 0  # octets of long answers: there are none

    def __init__(self, hostname: str, limits: Limits | None = None, offers: Offers | None = None) -> None:
        self.hostname = hostname
        self.limits = limits or Limits()
        self.offers = offers or Offers()
        self.normalise_line_ends = False  # submission: bare CR and LF become CRLF instead of a refusal
        self.closed = False
        self.spoke_early = False  # sent something before the greeting
        self.authenticated = False
        self.tls = False
        self.commands = 0  # how many lines were read: shows that a client went on after a reply
        self._buffer = b""
        self._position = 0  # what lies before it in the buffer has been read
        self._discarding = False  # the rest of a command line that is too long
        self._output: list[bytes] = []
        self._greeted = False
        self._waiting: Event | None = None
        self._disconnect: str | None = None  # why, once closed and until told
        self._challenged = False
        self._securing = False  # StartTls was told, and TLS is not on yet
        self._stopping: Reply | None = None
        self._data: DataReader | ChunkReader | Dropping | None = None
        self._chunks: ChunkReader | None = None  # of the message that comes by BDAT, between its chunks too
        self._failed = False  # a BDAT of this transaction was refused
        self._end_of_data: EndOfData | None = None  # comes after the last chunk
        self._misuse = Misuse(self.limits)
        self._hello = ""
        self._in_mail = False
        self._smtputf8 = False
        self._recipients = 0

    @property
    def offers(self) -> Offers:
        return self._offers

    @offers.setter
    def offers(self, offers: Offers) -> None:
        self._offers = offers
        self._parameters = offers.parameters

    @property
    def waiting(self) -> int:
        """The number of octets that were received and not yet looked at."""
        return len(self._buffer) - self._position

    @property
    def octets(self) -> int:
        """The number of octets of the message that have come, or -1 while none is arriving."""
        reader = self._data or self._chunks
        return reader.size if isinstance(reader, (DataReader, ChunkReader)) else -1

    def greet(self, text: str = "ESMTP mpcontinuity") -> None:
        """Sends the greeting."""
        self._greeted = True
        self._send(Reply(220, "", f"{self.hostname} {text}"))

    def receive(self, data: bytes) -> None:
        """Takes octets that the client sent."""
        if self.closed or not data:
            return
        if self._securing:
            self._close(_INJECTED)
            return
        if not self._greeted:
            self.spoke_early = True
        rest = self._buffer[self._position :] if self._position < len(self._buffer) else b""
        self._buffer, self._position = (rest + data if rest else data), 0
        if len(self._buffer) > self.limits.buffer and (self._waiting is not None or not self._greeted):
            self.close(_TOO_MUCH_WAITS)

    def next_event(self) -> Event | None:
        """Returns the next thing to do, or None while more must arrive first, or an event waits for its reply."""
        event = self._work()
        if event is None and self._disconnect is not None:
            reason, self._disconnect = self._disconnect, None
            return Disconnect(reason)
        return event

    def _work(self) -> Event | None:
        while self._greeted and self._waiting is None and not self.closed:
            if self._end_of_data is not None:
                self._waiting, self._end_of_data = self._end_of_data, None
                return self._waiting
            reader = self._data
            if reader is not None:
                event = self._read_data(reader)
                if event is None and self._data is not reader:
                    continue  # a chunk is complete
                return event
            line = self._line()
            if line is None:
                break
            event = self._execute(line)
            if event is not None:
                if event.waits:
                    self._waiting = event
                return event
        return None

    def reply(self, reply: Reply) -> None:
        """Answers the event that waits. A 421 closes the connection as well (RFC 5321 §3.8)."""
        event, self._waiting = self._waiting, None
        if event is None:
            raise RuntimeError("no event waits for a reply")
        if self._chunks is not None and isinstance(event, Data) and reply.code != 421:
            self._begin_chunks(self._chunks, reply)
            return
        self._send(reply)
        if reply.code == 421:
            self._close("421")
        elif isinstance(event, Mail):
            self._in_mail = reply.positive
            self._smtputf8 = event.parameters.smtputf8
        elif isinstance(event, Rcpt):
            if reply.positive:
                self._recipients += 1
            elif reply.permanent:
                self._end_if(self._misuse.refusal())
        elif isinstance(event, Data):
            self._answer_data(reply)
        elif isinstance(event, EndOfData):
            self._end_transaction()
            self._misuse.message()
        elif isinstance(event, Etrn):
            if reply.code == _NODE_NOT_ALLOWED:
                self._end_if(self._misuse.error())
        elif isinstance(event, (Auth, AuthAnswer)):
            self.authenticated = reply.code == 235
            if reply.permanent:
                self._end_if(self._misuse.error())

    def challenge(self, challenge: bytes) -> None:
        """Answers Auth or AuthAnswer by 334. The client's answer comes as AuthAnswer."""
        if not isinstance(self._waiting, (Auth, AuthAnswer)):
            raise RuntimeError("no authentication waits for a reply")
        self._waiting = None
        self._challenged = True
        self._output.append(auth.challenge(challenge))

    def to_send(self) -> bytes:
        """Returns what is to be sent since the last call."""
        output = b"".join(self._output)
        self._output.clear()
        return output

    def stop(self, reply: Reply) -> None:
        """Has the next command answered by this 421, after which the connection ends.

        A message that is arriving may end first.
        """
        self._stopping = reply

    def close(self, reply: Reply | None = None) -> None:
        """Ends the connection now, because of a timeout or a shutdown. Disconnect is the next event."""
        if not self.closed:
            if reply is not None:
                self._send(reply)
            self._waiting = None
            self._close(str(reply) if reply is not None else "closed")

    def tls_started(self) -> None:
        """Says that TLS is on. All that was said before is forgotten (RFC 3207 §4.2)."""
        self._buffer, self._position, self._discarding = b"", 0, False
        self._hello = ""
        self._securing = False
        self.tls = True
        self.authenticated = False
        self._end_transaction()

    # Reading

    def _line(self) -> bytes | None:
        """The next command line without its line end, or None: incomplete, or the connection was closed over it."""
        while not self.closed:
            start = self._position
            end = self._buffer.find(b"\n", start)
            length = (end + 1 if end >= 0 else len(self._buffer)) - start
            if length > self.limits.command_line and length > self._line_limit(start):
                self._discarding = True
            if end < 0:
                if self._discarding:
                    self._position = len(self._buffer)
                return None
            self._position = end + 1
            self.commands += 1
            if self._discarding:
                self._discarding = self._challenged = False
                self._refuse(_LONG_LINE)
            elif end == start or self._buffer[end - 1] != 13:
                self._refuse(_BARE_LINE_FEED)
            else:
                return self._buffer[start : end - 1]
        return None

    def _line_limit(self, start: int) -> int:
        if self._challenged or (self.offers.auth and self._buffer[start : start + 5].upper() == b"AUTH "):
            return self.limits.auth_line
        return self.limits.command_line

    def _read_data(self, reader: DataReader | ChunkReader | Dropping) -> Event | None:
        """The next piece of a message; None while there is none, or when all of it has come."""
        if self._position >= len(self._buffer) and (isinstance(reader, DataReader) or reader.left):
            return None
        content, end = reader.feed(self._buffer, self._position)
        if end < 0:
            self._buffer, self._position = b"", 0
            return Chunk(content) if content else None
        self._position = end
        self._data = None
        if isinstance(reader, DataReader):
            self._end_of_data = EndOfData(reader.fault, reader.size)
        elif isinstance(reader, Dropping):
            self._send(reader.reply)
        elif reader.last or reader.fault is not None:
            self._end_of_data = EndOfData(reader.fault, reader.size, reader.bare)
        else:
            self._send(Reply(250, "2.0.0", f"{reader.size} octets so far"))
        return Chunk(content) if content else None

    # Commands

    def _execute(self, line: bytes) -> Event | None:
        if self._stopping is not None and not (self._chunks is not None and line[:5].upper() == b"BDAT "):
            self.close(self._stopping)
            return None
        try:
            if self._challenged:
                return self._auth_answer(line)
            verb, argument = command.split(line)
            return _COMMANDS.get(verb, ServerEngine._unknown)(self, argument)
        except BadCommand as error:
            self._refuse(error)
            return None

    def _hello_extended(self, argument: str) -> Event:
        event = self._hello_with(argument, extended=True)
        offers = replace(self.offers, dsn=True) if self.authenticated else self.offers
        lines = offers.lines(self.limits.message_size, tls=self.tls)
        self._send(Reply(250, "", "\n".join([self.hostname, *lines])))
        return event

    def _hello_plain(self, argument: str) -> Event:
        event = self._hello_with(argument, extended=False)
        self._send(Reply(250, "", self.hostname))
        return event

    def _hello_with(self, argument: str, extended: bool) -> Event:
        name = command.hello(argument)
        self._end_transaction()
        self._misuse.restart()
        self._hello = name
        return Hello(name, extended)

    def _mail(self, argument: str) -> Event:
        if not self._hello:
            raise BadCommand(503, "5.5.1", "Send EHLO first")
        if self._in_mail:
            raise BadCommand(503, "5.5.1", "A transaction is open: send RSET to give it up")
        return Mail(
            *command.mail(
                argument,
                offers=self._parameters,
                message_size=self.limits.message_size,
                authenticates=bool(self.offers.auth) or self.authenticated,
            )
        )

    def _rcpt(self, argument: str) -> Event:
        if not self._in_mail:
            raise BadCommand(503, "5.5.1", "Send MAIL first")
        if self._chunks is not None:
            raise BadCommand(503, "5.5.1", "The message has begun")
        return Rcpt(*command.rcpt(argument, offers=self._parameters, hostname=self.hostname, smtputf8=self._smtputf8))

    def _data_command(self, argument: str) -> Event:
        if argument:
            raise BadCommand(501, "5.5.4", "Syntax: DATA")
        if self._chunks is not None:
            raise BadCommand(503, "5.5.1", "The message has begun by BDAT")
        if self._failed or not self._recipients:
            self._not_ready()
        return Data()

    def _bdat_command(self, argument: str) -> Event | None:
        announced = command.bdat(argument)
        if announced is None:
            # What follows is content of unknown length, and must not be run as commands.
            self.close(Reply(501, "5.5.4", "Syntax: BDAT octets [LAST]"))
            return None
        length, last = announced
        try:
            if not length and not last:
                self._misuse.idle()
            if self._failed or not self._recipients:
                self._not_ready()
        except BadCommand as error:
            self._refuse_chunk(length, error.reply)
            self._end_if(self._misuse.error())
            return None
        chunks = self._chunks
        if chunks is None:
            limits = self.limits
            self._chunks = ChunkReader(limits.message_size, limits.line_length, self.normalise_line_ends)
            self._chunks.announce(length, last)
            return Data()
        chunks.announce(length, last)
        self._data = chunks
        return None

    def _begin_chunks(self, chunks: ChunkReader, reply: Reply) -> None:
        """The door's answer to the first BDAT: there is no 354 in this dialogue."""
        if reply.code == 354:
            self._data = chunks
        else:
            self._chunks = None
            self._refuse_chunk(chunks.left, reply)

    def _refuse_chunk(self, length: int, reply: Reply) -> None:
        """What is in the pipeline behind it is refused too: the rest would be taken for the whole."""
        self._data = Dropping(length, reply)
        self._failed = self._in_mail

    def _not_ready(self) -> None:
        if not self._in_mail:
            raise BadCommand(503, "5.5.1", "Send MAIL first")
        if self._failed:
            raise BadCommand(503, "5.5.1", "A part of the message was refused: send RSET")
        raise BadCommand(554, "5.5.1", "No valid recipients")

    def _answer_data(self, reply: Reply) -> None:
        if reply.code == 354:
            limits = self.limits
            self._data = DataReader(limits.message_size, limits.line_length, self.normalise_line_ends)
        elif self._position < len(self._buffer):
            # DATA is the last of a group (RFC 2920 §3.1): what lies behind it is a message sent without waiting,
            # and must not be run as commands.
            self.close(Reply(421, "4.5.0", "Nothing may be sent behind DATA before its reply"))

    def _starttls(self, argument: str) -> Event | None:
        if argument:
            raise BadCommand(501, "5.5.4", "Syntax: STARTTLS")
        if not self.offers.starttls or self.tls:
            raise BadCommand(503, "5.5.1", "STARTTLS is not available")
        if self._position < len(self._buffer):
            # Somebody injects commands before the handshake: they would run as if they came through TLS.
            self._close(_INJECTED)
            return None
        self._securing = True
        self._send(Reply(220, "2.0.0", "Ready to start TLS"))
        return StartTls()

    def _auth(self, argument: str) -> Event:
        if not self.offers.auth:
            if self.offers.starttls and not self.tls:
                raise BadCommand(538, "5.7.11", "Send STARTTLS before AUTH")
            raise BadCommand(503, "5.5.1", "AUTH is not available")
        if self.authenticated or self._in_mail or not self._hello:
            raise BadCommand(503, "5.5.1", "AUTH comes once, after EHLO and before MAIL")
        return auth.begin(argument, self.offers.auth)

    def _auth_answer(self, line: bytes) -> Event | None:
        self._challenged = False
        try:
            return auth.answer(line)
        except BadCommand as error:
            self._refuse(error)
            return None if self.closed else AuthCancelled()

    def _rset(self, argument: str) -> Event:
        """RFC 5321 §4.1.1.5: nothing but 250, whenever it comes. Whoever says nothing else is let go."""
        if argument:
            raise BadCommand(501, "5.5.4", "Syntax: RSET")
        self._end_transaction()
        self._misuse.restart()
        self._send(Reply(250, "2.0.0", "Reset"))
        return Reset()

    def _noop(self, argument: str) -> None:
        self._misuse.idle()
        self._send(Reply(250, "2.0.0", "OK"))

    def _vrfy(self, argument: str) -> None:
        self._misuse.idle()
        if not argument:
            raise BadCommand(501, "5.5.4", "Syntax: VRFY address")
        self._send(Reply(252, "2.5.0", "Cannot verify; send the message and see"))

    def _expn(self, argument: str) -> None:
        self._misuse.idle()
        raise BadCommand(502, "5.5.1", "Lists are not shown")

    def _etrn(self, argument: str) -> Event:
        if not self.offers.etrn:
            raise BadCommand(502, "5.5.1", "ETRN is not available")
        if not self._hello:
            raise BadCommand(503, "5.5.1", "Send EHLO first")
        if self._in_mail:
            raise BadCommand(503, "5.5.1", "A transaction is open: send RSET to give it up")
        node, subdomains = command.etrn(argument)
        self._misuse.idle()
        return Etrn(node, subdomains)

    def _help(self, argument: str) -> None:
        self._misuse.idle()
        self._send(Reply(214, "2.0.0", "See RFC 5321. Commands: " + " ".join(sorted(_COMMANDS))))

    def _quit(self, argument: str) -> None:
        if argument:
            raise BadCommand(501, "5.5.4", "Syntax: QUIT")
        self._send(Reply(221, "2.0.0", f"{self.hostname} closes"))
        self._close("QUIT")

    def _unknown(self, argument: str) -> None:
        raise BadCommand(500, "5.5.1", "Command not recognised")

    # State

    def _end_transaction(self) -> None:
        self._in_mail = False
        self._smtputf8 = False
        self._recipients = 0
        self._chunks = None
        self._failed = False

    def _refuse(self, error: BadCommand) -> None:
        if error.reply.code == 421:
            self.close(error.reply)
            return
        self._send(error.reply)
        self._end_if(self._misuse.error())

    def _end_if(self, words: Reply | None) -> None:
        if words is not None:
            self.close(words)

    def _close(self, reason: str) -> None:
        self.closed = True
        self._disconnect = reason
        self._buffer, self._position = b"", 0
        self._data = self._chunks = self._end_of_data = None

    def _send(self, reply: Reply) -> None:
        self._output.append(encode(reply))


_COMMANDS: dict[str, Callable[[ServerEngine, str], Event | None]] = {
    "EHLO": ServerEngine._hello_extended,
    "HELO": ServerEngine._hello_plain,
    "MAIL": ServerEngine._mail,
    "RCPT": ServerEngine._rcpt,
    "DATA": ServerEngine._data_command,
    "BDAT": ServerEngine._bdat_command,
    "STARTTLS": ServerEngine._starttls,
    "AUTH": ServerEngine._auth,
    "RSET": ServerEngine._rset,
    "NOOP": ServerEngine._noop,
    "VRFY": ServerEngine._vrfy,
    "EXPN": ServerEngine._expn,
    "ETRN": ServerEngine._etrn,
    "HELP": ServerEngine._help,
    "QUIT": ServerEngine._quit,
}
