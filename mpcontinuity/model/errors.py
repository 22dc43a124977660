"""What goes wrong in a way that somebody is told about, in this process or in another one."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec

# What a door tells apart; for HTTP 400, 404, 409, 409 and 403.
Kind = Literal[
    "invalid",  # nobody could be given that: a word that cannot be read, a number out of bounds
    "unknown",  # it names what is not there
    "taken",  # what it would make is there already
    "conflict",  # not as things stand: mail is owed, a server runs
    "forbidden",  # this caller may not
]


class Reported(Exception):
    """An error that can be told to another process, by `to_wire` or pickled, and is there what it was here.

    It is made of its ``args`` again: of texts, or of what ``ARGUMENTS`` of its class says. No two have the same name.
    """

    ARGUMENTS: ClassVar[Any] = tuple[str, ...]
    by_name: ClassVar[dict[str, type[Reported]]] = {}

    def __init_subclass__(cls) -> None:
        Reported.by_name[cls.__name__] = cls


class Hint(msgspec.Struct, frozen=True):
    """An operation that would help: its name as in `mpcontinuity NAME`, its arguments, and what it does then, as
    "shows them". Each door puts it into its own words; no layer below knows how an operation is called there.

    ``domain`` is the one that the refused call was about, for a door that needs a domain there and finds none among the
    arguments. The operation that was called fills it in (control/operation.py).
    """

    operation: str
    does: str
    arguments: dict[str, str | bool] = {}
    domain: str = ""


class Refused(Reported):
    """A request that cannot be done as asked; nothing was changed.

    ``text`` is one line that says why, and what would work as far as that is no operation. It begins with what is
    wrong, before a colon: the name of an argument, or what was given. ``hint`` is the operation that would help.
    ``field`` is the argument that is wrong. The operation fills it in, where ``text`` begins so (control/arguments.py,
    `argument_of`); where not, it is said here.
    """

    ARGUMENTS = tuple[str, Kind, Hint | None, str]

    def __init__(self, text: str, kind: Kind = "invalid", hint: Hint | None = None, field: str = "") -> None:
        super().__init__(text, kind, hint, field)
        self.text = text
        self.kind = kind
        self.hint = hint
        self.field = field

    def __str__(self) -> str:
        """In English, as a plain text: what JSON is made of knows no `texts.Said`."""
        return str(self.text)


class Temporary(Reported):
    """Raised where the store cannot do it now (a full disk, a lost commit): SMTP says 452, IMAP ``NO [UNAVAILABLE]``.

    Nothing of it was done, unless a commit was under way when the database went: then nobody can tell.
    """


class Full(Temporary):
    """Raised where there is no room on the disk, or none above the floor of free space."""


class Corrupt(Reported):
    """Raised for a stored body that fails its checksum; the message names pack, offset and id."""


class Stopping(Reported):
    """Raised for work that was not begun, because the server shuts down."""


class Unexpected(Reported):
    """An error of another process that this one has no class for: a mistake there, or a newer version.

    It is made of the name of its class there, and of its text.
    """

    def __str__(self) -> str:
        return ": ".join(self.args)


def to_wire(error: BaseException) -> list[Any]:
    """Returns an error as values of JSON: the name of its class, then its arguments.

    One that is no `Reported` goes as `Unexpected`.
    """
    if not isinstance(error, Reported):
        error = Unexpected(type(error).__name__, str(error))
    arguments = [_text(each) if isinstance(each, str) else each for each in error.args]
    return [type(error).__name__, *msgspec.to_builtins(arguments, enc_hook=str)]


def _text(text: str) -> str:
    """As JSON can have it: a name of a file that is no UTF-8 has halves of pairs in it."""
    return text.encode("utf-8", "backslashreplace").decode()


def from_wire(wire: Any) -> Reported:
    """Returns the error that `to_wire` took; `Unexpected` for one that is not known here, and for what is none."""
    if not isinstance(wire, list) or not wire or not isinstance(wire[0], str):
        return Unexpected("not an error", type(wire).__name__)
    name, *arguments = wire
    kind = Reported.by_name.get(name)
    try:
        if kind is not None:
            return kind(*msgspec.convert(arguments, kind.ARGUMENTS))
    except (TypeError, msgspec.ValidationError):
        pass
    return Unexpected(name, *(text for text in arguments if isinstance(text, str)))
