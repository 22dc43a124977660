"""Reads forms with files as they come: ``multipart/form-data`` (RFC 7578). No file is ever in memory as a whole."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import Final

from werkzeug.exceptions import HTTPException
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData

from mpcontinuity.web.form import BadForm

KIND: Final = "multipart/form-data"
MOST_PARTS: Final = 200  # fields and files of one form
_HELD: Final = 256 * 1024  # octets that are looked through at a time, the header of a part among them
_PIECE: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class FileBegins:
    """A file of a form: its name as the browser has it, which anybody may have made up, and its media type."""

    field: str
    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class FileData:
    """The next octets of the file that began last; ``last`` says that it ends with them."""

    data: bytes
    last: bool


Part = tuple[str, str] | FileBegins | FileData


def boundary_of(content_type: str) -> bytes:
    """Returns the boundary of a form with files; empty where the type is another one."""
    kind, options = parse_options_header(content_type)
    return options.get("boundary", "").encode("utf-8", "replace")[:200] if kind == KIND else b""


async def read_parts(pieces: AsyncIterable[bytes], boundary: bytes, longest: int) -> AsyncIterator[Part]:
    """Yields the fields of a form, as name and value, and its files, in their order.

    ``longest`` bounds the octets of all fields together. Raises BadForm, and ClientGone where the end does not come.
    """
    decoder = _Decoder(boundary, longest)
    async for piece in pieces:
        for start in range(0, len(piece), _PIECE):
            for part in decoder.feed(piece[start : start + _PIECE]):
                yield part
    for part in decoder.feed(None):
        yield part


class _Decoder:
    def __init__(self, boundary: bytes, longest: int) -> None:
        self._decoder = MultipartDecoder(boundary, _HELD, max_parts=MOST_PARTS)
        self._room = longest
        self._field: str | None = None  # the name of the field that is being read; None: a file is
        self._value = bytearray()
        self._longest_line = len(b"\r\n--" + boundary + b"--\r\n")
        self._held = b""

    def feed(self, data: bytes | None) -> list[Part]:
        """Takes the next octets, None for the end. Raises BadForm."""
        found: list[Part] = []
        try:
            if data is not None:
                data = self._without_cut_boundary(data)
            elif self._held:
                self._decoder.receive_data(self._held)
            self._decoder.receive_data(data)
            while not isinstance(event := self._decoder.next_event(), NeedData):
                found += self._part(event)
                if isinstance(event, Epilogue):
                    break
        except (ValueError, HTTPException, AttributeError) as error:
            raise BadForm("this is no form") from error
        return found

    def _without_cut_boundary(self, data: bytes) -> bytes:
        """Octets up to what may be a boundary that is not complete yet: werkzeug's decoder takes the CR before such a
        one for a part of the file."""
        data = self._held + data
        at = data.find(b"\r", max(len(data) - self._longest_line, 0))
        data, self._held = (data, b"") if at < 0 else (data[:at], data[at:])
        return data

    def _part(self, event: Event) -> list[Part]:
        match event:
            case Field(name=str(name)):
                self._field, self._value = name, bytearray()
            case File(name=str(name), filename=filename, headers=headers):
                self._field = None
                return [FileBegins(name, filename, headers.get("content-type", ""))]
            case Field() | File():
                raise BadForm("a part has no name")
            case Data(data=data, more_data=more) if self._field is None:
                return [FileData(data, not more)]
            case Data(data=data, more_data=more):
                self._room -= len(data)
                if self._room < 0:
                    raise BadForm("the fields are too long")
                self._value += data
                if not more:
                    return [(self._field or "", self._value.decode("utf-8"))]
            case _:
                pass
        return []
