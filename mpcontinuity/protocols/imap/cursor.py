"""Reads one complete command from left to right, by the terminals of RFC 3501 §9."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

from mpcontinuity.model import flags, uidset
from mpcontinuity.protocols.imap import dates, utf7
from mpcontinuity.protocols.imap.pattern import canonical

_ATOM = re.compile(rb'[^(){ \x00-\x1f\x7f-\xff%*"\\\]]+')
_ASTRING = re.compile(rb'[^(){ \x00-\x1f\x7f-\xff%*"\\]+')
_LIST_MAILBOX = re.compile(rb'[^(){ \x00-\x1f\x7f-\xff"\\]+')
_QUOTED = re.compile(rb'"([^"\\\r\n\x00]*(?:\\["\\][^"\\\r\n\x00]*)*)"')
_ESCAPED = re.compile(rb"\\(.)")
_LITERAL = re.compile(rb"\{[0-9]+\+?\}\r\n")
_NUMBER = re.compile(rb"[0-9]{1,10}")
_SET = re.compile(rb"[0-9*:,]+")
_DATE = re.compile(rb'"?[0-9A-Za-z-]+"?')
_FLAG = re.compile(rb'\\?[^(){ \x00-\x1f\x7f-\xff%*"\\\]]+')
_SYSTEM_FLAGS = {name.upper().encode(): mask for name, mask in flags.SYSTEM.items()} | {b"\\RECENT": 0}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_BLANKS = re.compile(rb" ++")
_MORE = re.compile(rb" ++(?=[^ )])")
_OPENS = re.compile(rb"\( *+")
_CLOSES = re.compile(rb" *+\)")
_END = re.compile(rb" *+\Z")
_LARGEST_NUMBER = 0xFFFFFFFF
_SHOWN = 40


class BadSyntax(Exception):
    """Raised for a command that cannot be understood. The text is for the client."""


class BadName(Exception):
    """Raised for a name that no mailbox can have. ``code`` is the response code of the NO that says so."""

    def __init__(self, code: bytes, text: str) -> None:
        super().__init__(text)
        self.code = code


class Cursor:
    """A place in the text of a command.

    ``text`` has a CRLF behind the announcement of each literal; the literals themselves are in ``literals``. Clients
    are sloppy with blanks, so several count as one, and blanks beside a parenthesis or at the end do no harm.
    """

    __slots__ = ("_literals", "position", "text")

    def __init__(self, text: bytes, literals: Sequence[bytes] = ()) -> None:
        self.text = text
        self.position = 0
        self._literals = iter(literals)

    def match(self, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
        """Takes what the pattern finds here, and returns the match, or None."""
        found = pattern.match(self.text, self.position)
        if found is not None:
            self.position = found.end()
        return found

    def take(self, pattern: re.Pattern[bytes], expected: str) -> bytes:
        """Takes what the pattern finds here. Raises BadSyntax, which says what was ``expected``."""
        found = self.match(pattern)
        if found is None:
            raise self.wrong(expected)
        return found.group()

    def wrong(self, expected: str) -> BadSyntax:
        """Returns the error which says what was expected here."""
        rest = self.text[self.position : self.position + _SHOWN]
        if not rest:
            return BadSyntax(f"expected {expected} at the end of the command")
        shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "?" for byte in rest)
        return BadSyntax(f"expected {expected} at: {shown}")

    def at(self, text: bytes) -> bool:
        """Returns whether the text stands here."""
        return self.text.startswith(text, self.position)

    def accept(self, text: bytes) -> bool:
        """Takes the text if it stands here, and returns whether it did."""
        if not self.text.startswith(text, self.position):
            return False
        self.position += len(text)
        return True

    def expect(self, text: bytes) -> None:
        """Takes the text. Raises BadSyntax if it does not stand here."""
        if not self.accept(text):
            raise self.wrong(text.decode("ascii"))

    def space(self) -> None:
        """Takes the space that must stand here. Raises BadSyntax."""
        if self.match(_BLANKS) is None:
            raise self.wrong("a space")

    def more(self) -> bool:
        """Takes the space before the next element.

        Returns False where there is none, at the end of a list or command.
        """
        return self.match(_MORE) is not None

    def opens(self) -> bool:
        """Takes an opening parenthesis if one stands here, and returns whether it did."""
        return self.match(_OPENS) is not None

    def open(self) -> None:
        """Takes an opening parenthesis. Raises BadSyntax."""
        if not self.opens():
            raise self.wrong("(")

    def closes(self) -> bool:
        """Takes a closing parenthesis if one stands here, and returns whether it did."""
        return self.match(_CLOSES) is not None

    def close(self) -> None:
        """Takes a closing parenthesis. Raises BadSyntax."""
        if not self.closes():
            raise self.wrong(")")

    def end(self) -> None:
        """Raises BadSyntax unless the command ends here."""
        if not self.ended:
            raise self.wrong("the end of the command")

    @property
    def ended(self) -> bool:
        """Whether the command ends here."""
        return _END.match(self.text, self.position) is not None

    def atom(self, expected: str = "an atom") -> bytes:
        """Takes an atom. Raises BadSyntax."""
        return self.take(_ATOM, expected)

    def word(self, expected: str) -> bytes:
        """Takes an atom and returns it in capitals: names of commands, items and options are compared without case."""
        return self.take(_ATOM, expected).upper()

    def number(self) -> int:
        """Takes a number. Raises BadSyntax."""
        value = int(self.take(_NUMBER, "a number"))
        if value > _LARGEST_NUMBER:
            raise BadSyntax("a number has 32 bits at most")
        return value

    def string(self) -> bytes | None:
        """Takes a quoted string or a literal; returns None if neither stands here.

        Octets above 127 are permitted, as in RFC 9051, but NUL is not.
        """
        quoted = self.match(_QUOTED)
        if quoted is not None:
            value = quoted.group(1)
            return _ESCAPED.sub(rb"\1", value) if b"\\" in value else value
        if self.match(_LITERAL) is None:
            return None
        value = next(self._literals)
        if b"\0" in value:
            raise BadSyntax("NUL is not allowed in a string")
        return value

    def astring(self, expected: str = "an astring") -> bytes:
        """Takes an astring. Raises BadSyntax."""
        value = self.string()
        return self.take(_ASTRING, expected) if value is None else value

    def text_string(self, expected: str = "a string") -> str:
        """Takes an astring and returns it as text, read as UTF-8, of which US-ASCII is a part."""
        try:
            return self.astring(expected).decode("utf-8")
        except UnicodeDecodeError:
            raise BadSyntax("a string is not valid UTF-8") from None

    def mailbox(self, *, new: bool = False) -> str:
        """Takes the name of a mailbox in modified UTF-7 (RFC 3501 §5.1.3). Raises BadName and BadSyntax.

        Octets above 127 are read as UTF-8 (RFC 6855). ``new`` is true where the mailbox is to be created.
        """
        wire = self.astring("a mailbox name")
        try:
            name = mailbox_name(wire)
        except ValueError as error:
            raise BadName(b"CANNOT" if new else b"NONEXISTENT", str(error)) from None
        if not name:
            raise BadName(b"CANNOT" if new else b"NONEXISTENT", "a mailbox name cannot be empty")
        return name

    def list_mailbox(self) -> str | None:
        """Takes a pattern of LIST; returns None where no name can match it."""
        value = self.string()
        try:
            return mailbox_name(self.take(_LIST_MAILBOX, "a mailbox pattern") if value is None else value)
        except ValueError:
            return None

    def sequence_set(self) -> tuple[uidset.Range, ...]:
        """Takes a set of message numbers or UIDs. Raises BadSyntax."""
        text = self.take(_SET, "a set of numbers")
        try:
            return uidset.parse(text)
        except ValueError:
            raise BadSyntax("a set of numbers is like 1,3:5,9:*") from None

    def date(self) -> date:
        """Takes a date. Raises BadSyntax."""
        text = self.take(_DATE, "a date")
        if text.startswith(b'"') and text.endswith(b'"'):
            text = text[1:-1]
        try:
            return dates.parse_date(text)
        except ValueError:
            raise BadSyntax("a date is like 1-Feb-1994") from None

    def date_time(self) -> int:
        """Takes a date with its time, and returns µs since 1970. Raises BadSyntax."""
        text = self.string()
        try:
            return dates.parse_date_time(text or b"")
        except (ValueError, OverflowError):
            raise BadSyntax('a date-time is like "17-Jul-1996 02:44:25 -0700"') from None

    def flag_list(self) -> tuple[int, tuple[str, ...]]:
        """Takes flags in parentheses, and returns the mask of system flags and the names of keywords."""
        self.open()
        if self.closes():
            return 0, ()
        found = self.flags()
        self.close()
        return found

    def flags(self) -> tuple[int, tuple[str, ...]]:
        r"""Takes flags with spaces between them, and returns the same.

        ``\Recent`` cannot be set by clients (RFC 3501 §2.3.2) and is ignored.
        """
        mask = 0
        keywords = []
        while True:
            flag = self.take(_FLAG, "a flag")
            if not flag.startswith(b"\\"):
                keywords.append(flag.decode("ascii"))
            elif (bit := _SYSTEM_FLAGS.get(flag.upper())) is not None:
                mask |= bit
            else:
                raise BadSyntax(f"{flag.decode('ascii')[:_SHOWN]} is no system flag that can be set")
            if not self.more():
                return mask, tuple(dict.fromkeys(keywords))

    def words(self, expected: str) -> list[bytes]:
        """Takes a parenthesised list of words, which may be empty."""
        self.open()
        found: list[bytes] = []
        while not self.closes():
            if found:
                self.space()
            found.append(self.word(expected))
        return found


def mailbox_name(wire: bytes) -> str:
    """Returns a name, or a pattern, as it is in the store. Raises ValueError for what no mailbox can be called."""
    try:
        name = utf7.decode(wire) if wire.isascii() else wire.decode("utf-8")
    except ValueError:
        raise ValueError("the mailbox name is not valid modified UTF-7") from None
    if _CONTROL.search(name):
        raise ValueError("a mailbox name cannot have control characters")
    return canonical(name)
