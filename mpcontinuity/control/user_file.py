"""The file of ``user import``, read as it comes and judged as a whole: CSV (RFC 4180) in UTF-8.

It is read line by line: a line that will not do is told with its number, and stops nothing. No more is in memory than
the record at hand, and the names that were seen, by which two lines that want the same address are found before
anything is done. The work for a line is bounded, so that of a file is linear.
"""

from __future__ import annotations

import csv
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, Protocol

import msgspec

from mpcontinuity.control.imports import COLUMNS, ImportDone, ImportLine
from mpcontinuity.control.operation import Control
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.model.address import BadAddress, parse
from mpcontinuity.model.errors import Refused

LONGEST: Final = 4 << 20  # octets of a file: the largest domain has 10,000 users, of whom each has 100 to 400
MOST_LINES: Final = 20_000  # with passwords, which take 26 ms each, ten minutes
MOST_NAMES: Final = 100_000  # addresses and aliases of a file that are held against each other: some 12 MB
LONGEST_RECORD: Final = 16 * 1024  # characters: an address, a name, and 50 aliases of the longest kind
_LINES_OF_RECORD: Final = 5  # a name may have a line break in it; a quote that is left open swallows nothing
_PIECE: Final = 16 * 1024  # octets that are read at a time
BATCH: Final = 20  # lines of one call: an account of them appears while it goes on
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_OPEN_QUOTE: Final = "unexpected end of data"  # how Python's csv calls the end of a record within quotes


class Octets(Protocol):
    """A file that is read from where it stands."""

    def read(self, size: int, /) -> bytes:
        """Returns up to ``size`` octets, none at its end."""
        ...


class UserLines:
    """Reads a file in pieces of octets: ``feed`` and ``end`` give the lines that are complete."""

    def __init__(self) -> None:
        self._rest = bytearray()  # of a line whose end has not come
        self._skips = False  # the rest of a line that is too long
        self._number = 0  # of the line at hand
        self._record: list[str] = []  # lines of the record at hand, the last of which is the line at hand
        self._columns: Sequence[str] | None = None
        self._delimiter = ","
        self._names: dict[str, int] = {}  # by address and alias, the line that has it
        self._full = False

    def feed(self, octets: bytes) -> Iterator[ImportLine]:
        """Takes a piece, and gives what became complete by it. Raises Refused for what is no file in UTF-8 at all."""
        if not self._number and not self._rest and octets.startswith(_UTF_16):
            raise Refused("the file must be in UTF-8, and this one is in UTF-16; save it as CSV UTF-8")
        self._rest += octets
        begin = 0
        while not self._full and (end := self._end_of_line(begin)) > 0:
            yield from self._take(bytes(self._rest[begin:end]))
            begin = end
        del self._rest[: len(self._rest) if self._full else begin]
        if len(self._rest) > LONGEST_RECORD * 4 and not self._full:  # a character has up to four octets
            if not self._skips:
                yield from self._too_long()
            self._skips = True
            self._rest.clear()

    def end(self) -> Iterator[ImportLine]:
        """Gives what is left behind the last piece."""
        if self._rest and not self._full:
            yield from self._take(bytes(self._rest))
        self._rest.clear()
        yield from self._give_up()

    def _end_of_line(self, begin: int) -> int:
        """Where the line that begins there ends, behind its LF; 0 where that has not come. A CR alone ends none: no
        program of the last twenty years writes that."""
        return self._rest.find(b"\n", begin) + 1

    def _take(self, line: bytes) -> Iterator[ImportLine]:
        """Takes a line with its end."""
        if self._skips:  # its number was told
            self._skips = False
            return
        if self._number >= MOST_LINES or len(self._names) > MOST_NAMES:
            yield from self._give_up()
            most = f"{MOST_LINES} lines" if self._number >= MOST_LINES else f"{MOST_NAMES} addresses"
            yield ImportLine(self._number + 1, error=f"a file has up to {most}; nothing is read from here on")
            self._full = True
            return
        if len(line) > LONGEST_RECORD * 4:
            yield from self._too_long()
            return
        self._number += 1
        try:
            text = line.decode("utf-8-sig" if self._number == 1 else "utf-8")
        except UnicodeDecodeError:
            yield from self._give_up(self._number - 1)
            yield ImportLine(self._number, error="is not in UTF-8; save the file as CSV UTF-8")
            return
        if self._number == 1:
            self._delimiter = _delimiter(text)
        yield from self._add(text, self._number)

    def _too_long(self) -> Iterator[ImportLine]:
        yield from self._give_up()
        self._number += 1
        yield ImportLine(self._number, error=f"has more than {LONGEST_RECORD} characters")

    def _add(self, text: str, number: int) -> Iterator[ImportLine]:
        """Adds a line to the record at hand, and gives that once it is complete. ``number`` is that of the line."""
        self._record.append(text)
        begin = number - len(self._record) + 1
        error = ""
        try:
            if sum(map(len, self._record)) > LONGEST_RECORD:
                error = f"has more than {LONGEST_RECORD} characters"
            else:
                cells = next(csv.reader(self._record, delimiter=self._delimiter, strict=True), [])
                self._record.clear()
                yield from self._judge(begin, cells)
                return
        except csv.Error as wrong:
            if str(wrong) == _OPEN_QUOTE and len(self._record) < _LINES_OF_RECORD:
                return  # it goes on in the next line
            error = f"not CSV: {wrong}"
        yield from self._cut_off(begin, error)

    def _cut_off(self, begin: int, error: str) -> Iterator[ImportLine]:
        """Ends the record at hand with its first line, which will not do, and begins anew behind it."""
        _, *behind = self._record
        self._record.clear()
        yield ImportLine(begin, error=error)
        for number, line in enumerate(behind, begin + 1):
            yield from self._add(line, number)

    def _give_up(self, number: int = -1) -> Iterator[ImportLine]:
        """Ends the record at hand, whose last line has that number (the line at hand), for want of its end."""
        number = self._number if number < 0 else number
        while self._record:
            yield from self._cut_off(number - len(self._record) + 1, f"not CSV: {_OPEN_QUOTE}")

    def _judge(self, number: int, cells: list[str]) -> Iterator[ImportLine]:
        if self._columns is None:
            names = tuple(cell.strip().lower() for cell in cells)
            self._columns = names if "address" in names else COLUMNS
            if self._columns is names:
                return
        if any(cell.strip() for cell in cells):
            yield self._line(number, self._columns, cells)

    def _line(self, number: int, columns: Sequence[str], cells: Sequence[str]) -> ImportLine:
        first = cells[0].strip()
        if len(cells) > len(columns):
            return ImportLine(number, first, error=f"{len(cells)} columns, at most {len(columns)} are expected")
        fields: Mapping[str, str] = dict(zip(columns, cells, strict=False))
        address = fields.get("address", "").strip()
        if any("\0" in cell for cell in cells):
            return ImportLine(number, address, error="has a NUL in it")
        aliases = tuple(alias.strip() for alias in fields.get("aliases", "").split(";") if alias.strip())
        taken = self._taken(number, address, aliases)
        if taken:
            return ImportLine(number, address, error=taken)
        return ImportLine(
            number,
            address,
            fields.get("name", "").strip(),
            aliases,
            fields.get("password", ""),
            fields.get("alternate", "").strip(),
        )

    def _taken(self, number: int, address: str, aliases: Sequence[str]) -> str:
        """Why a line cannot have what it wants, since a line before it does; empty, and it has it, where it can."""
        wanted = [(_key(name), name) for name in (address, *aliases)]
        for key, name in wanted:
            before = self._names.get(key)
            if before is not None:
                return f"the same address as in line {before}" if name is address else f"{name}: is in line {before}"
        self._names.update((key, number) for key, _ in wanted if key)
        return ""


def _key(name: str) -> str:
    """How an address is compared; what is none is refused by the operation."""
    try:
        return parse(name).key
    except BadAddress:
        return name.lower()


def _delimiter(text: str) -> str:
    """A comma, or the semicolon that spreadsheets write in some countries: only a heading tells it."""
    heading = text.lower()
    return ";" if "address" in heading and ";" in heading and "," not in heading else ","


def lines(text: str) -> Iterator[ImportLine]:
    """Reads a file that is there as a whole."""
    reader = UserLines()
    yield from reader.feed(text.encode("utf-8", "surrogatepass"))
    yield from reader.end()


def read(file: Octets) -> Iterator[ImportLine]:
    """Reads a file from where it stands."""
    reader = UserLines()
    while piece := file.read(_PIECE):
        yield from reader.feed(piece)
    yield from reader.end()


async def imported(
    control: Control, file: Octets, arguments: Mapping[str, Any]
) -> AsyncGenerator[list[ImportDone], None]:
    """Calls ``user import`` for all lines of a file, some at a time, and yields what became of these.

    ``arguments`` are its other ones. Raises Refused for what is no file of users at all.
    """
    waiting = read(file)
    while batch := list(islice(waiting, BATCH)):
        done: list[ImportDone] = await OPERATIONS["user import"](
            control, {**arguments, "lines": msgspec.to_builtins(batch)}
        )
        yield done
