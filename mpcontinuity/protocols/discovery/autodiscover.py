"""Autodiscover as Outlook asks for it: "plain old XML" by POST, and the address of that as JSON ([MS-OXDSCLI])."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from xml.parsers import expat
from xml.sax.saxutils import escape

from mpcontinuity.model.public import Place

PATH: Final = "/autodiscover/autodiscover.xml"
CONTENT_TYPE: Final = "text/xml; charset=utf-8"
LONGEST: Final = 8192  # octets of a request; Outlook's have some 400

_LONGEST_VALUE: Final = 1024  # characters of an address or the name of a schema
_DEEPEST: Final = 16  # elements within each other; Outlook's have three
_OUTLOOK: Final = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
_RESPONSE: Final = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
_ASKED: Final = ("EMailAddress", "AcceptableResponseSchema")
_JSON: Final = "Autodiscoverv1"
_SERVERS: Final = ("IMAP", "POP3", "SMTP")


class BadRequest(ValueError):
    """Raised for octets that no mail program sends."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a mail program asks for: the settings for an ``address``, in a ``schema`` that it understands."""

    address: str
    schema: str

    @property
    def mail(self) -> bool:
        """Whether it wants places of IMAP, POP3 and SMTP; telephones ask for ActiveSync by the same way."""
        return self.schema in ("", _OUTLOOK)


def read(octets: bytes) -> Wanted:
    """Reads a request. Raises BadRequest, also for what has a DOCTYPE: nothing is expanded or fetched."""
    if len(octets) > LONGEST:
        raise BadRequest("too long")
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse
    parser.StartElementHandler = reader.begin
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(octets, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise BadRequest(str(error)) from None
    address = reader.values.get("EMailAddress", "").strip()
    if not address:
        raise BadRequest("no EMailAddress")
    return Wanted(address, reader.values.get("AcceptableResponseSchema", "").strip())


def _refuse(*_: Any) -> None:
    raise BadRequest("a DOCTYPE")


class _Reader:
    """The first value of each element that is asked for, whatever it stands in."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self._within: list[str] = []
        self._pieces: list[str] = []
        self._length = 0

    def begin(self, name: str, attributes: object) -> None:
        if len(self._within) == _DEEPEST:
            raise BadRequest("too deep")
        self._within.append(name.rpartition(":")[2])
        self._pieces, self._length = [], 0

    def end(self, name: str) -> None:
        ended = self._within.pop()
        if ended in _ASKED:
            self.values.setdefault(ended, "".join(self._pieces))
        self._pieces, self._length = [], 0

    def text(self, piece: str) -> None:
        if self._within and self._within[-1] in _ASKED:
            self._length += len(piece)
            if self._length > _LONGEST_VALUE:
                raise BadRequest("too long a value")
            self._pieces.append(piece)


def answer(address: str, places: Sequence[Place]) -> bytes:
    """Returns the settings for an address, in XML."""
    protocols = "".join(_protocol(address, place) for place in places)
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<Autodiscover xmlns="{_RESPONSE}">\n'
        f'  <Response xmlns="{_OUTLOOK}">\n'
        f"    <User><DisplayName>{_shown(address)}</DisplayName></User>\n"
        "    <Account>\n"
        "      <AccountType>email</AccountType>\n"
        "      <Action>settings</Action>\n"
        f"{protocols}"
        "    </Account>\n"
        "  </Response>\n"
        "</Autodiscover>\n"
    ).encode()


def _protocol(address: str, place: Place) -> str:
    """``SPA off``: else Outlook tries NTLM first, and asks for the password for ever."""
    encryption = "SSL" if place.security == "SSL/TLS" else "TLS"
    more = (
        "        <UsePOPAuth>off</UsePOPAuth>\n        <SMTPLast>off</SMTPLast>\n" if place.protocol == "SMTP" else ""
    )
    return (
        "      <Protocol>\n"
        f"        <Type>{place.protocol}</Type>\n"
        f"        <Server>{_shown(place.host)}</Server>\n"
        f"        <Port>{place.port}</Port>\n"
        f"        <LoginName>{_shown(address)}</LoginName>\n"
        "        <DomainRequired>off</DomainRequired>\n"
        "        <SPA>off</SPA>\n"
        "        <SSL>on</SSL>\n"
        "        <AuthRequired>on</AuthRequired>\n"
        f"{more}"
        f"        <Encryption>{encryption}</Encryption>\n"
        "      </Protocol>\n"
    )


def error(code: int, message: str) -> bytes:
    """Returns an error as Outlook understands it: 500 for an unknown address, 600 for a bad request, 601 where the
    schema that it wants is not served."""
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<Autodiscover xmlns="{_RESPONSE}">\n'
        f'  <Response><Error Time="00:00:00.0000000" Id="0"><ErrorCode>{code}</ErrorCode>'
        f"<Message>{_shown(message)}</Message><DebugData /></Error></Response>\n"
        "</Autodiscover>\n"
    ).encode()


def answer_in_json(protocol: str, url: str) -> tuple[int, bytes]:
    """Returns status and body for a client that asks where one of its protocols is served; ``url`` is that of `PATH`.

    Only this one is: there is neither ActiveSync nor Exchange Web Services here.
    """
    if protocol.lower() == _JSON.lower():
        return 200, json.dumps({"Protocol": _JSON, "Url": url}).encode()
    said = {"ErrorCode": "InvalidProtocol", "ErrorMessage": "The protocols that are served here: Autodiscoverv1."}
    return 400, json.dumps(said).encode()


def _shown(text: str) -> str:
    """Without characters that XML does not have."""
    return escape("".join(character for character in text if character.isprintable()))
