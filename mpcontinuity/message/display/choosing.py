"""Which parts of a message are shown as its text, and which are attachments (RFC 2045, RFC 2046, RFC 2387)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from mpcontinuity.message import contenttype
from mpcontinuity.message.display.shown import Note
from mpcontinuity.message.structure import Part

MOST_TEXTS: Final = 10  # parts that are shown one below the other; more are attachments
MOST_ATTACHMENTS: Final = 500  # that are listed; the others are in the original

_HTML: Final = (b"text", b"html")
_PLAIN: Final = (b"text", b"plain")
_SIGNATURES: Final = frozenset({b"pgp-signature", b"pkcs7-signature", b"x-pkcs7-signature"})
_SMIME: Final = frozenset({b"pkcs7-mime", b"x-pkcs7-mime"})
_WINMAIL: Final = frozenset({b"ms-tnef", b"vnd.ms-tnef"})
_REPORTS: Final = frozenset({b"delivery-status", b"disposition-notification", b"global-delivery-status"})


@dataclass(frozen=True, slots=True)
class Text:
    """A part that is shown: HTML, with the plain text that says the same, or plain text alone."""

    html: Part | None
    plain: Part | None


@dataclass(frozen=True, slots=True)
class File:
    """A part that is an attachment."""

    path: str
    part: Part
    note: Note = ""


@dataclass(slots=True)
class Choice:
    """What is shown of a message. ``encrypted``: nobody can read it without a key. ``left_out`` counts attachments."""

    texts: list[Text] = field(default_factory=list)
    files: list[File] = field(default_factory=list)
    calendars: list[Part] = field(default_factory=list)
    encrypted: bool = False
    left_out: int = 0

    def add(self, path: str, part: Part, note: Note = "") -> None:
        """Adds an attachment."""
        if len(self.files) < MOST_ATTACHMENTS:
            self.files.append(File(path, part, note))
        else:
            self.left_out += 1


def choose(root: Part) -> Choice:
    """Returns what is shown of a message."""
    choice = Choice()
    _walk(root, "1" if not root.parts else "", choice)
    return choice


def _child(path: str, number: int) -> str:
    return f"{path}.{number}" if path else str(number)


def _walk(part: Part, path: str, choice: Choice) -> None:
    if not part.parts:
        _leaf(part, path, choice)
        return
    subtype = part.type.kind[1]
    children = [(_child(path, number), child) for number, child in enumerate(part.parts, 1)]
    if subtype == b"alternative":
        _alternative(children, choice)
    elif subtype == b"encrypted":  # RFC 1847 §2.2
        choice.encrypted = True
        for place, child in children:
            _all(child, place, choice, "encrypted")
    else:
        for place, child in children:
            _walk(child, place, choice)


def _all(part: Part, path: str, choice: Choice, note: Note = "") -> None:
    """Every leaf as an attachment."""
    for number, child in enumerate(part.parts, 1):
        _all(child, _child(path, number), choice, note)
    if not part.parts:
        choice.add(path, part, note or _note(part))


def _alternative(children: list[tuple[str, Part]], choice: Choice) -> None:
    """Of the same in several forms the best that can be shown (RFC 2046 §5.1.4); what is no text is a file."""
    best: Choice | None = None
    plain: Part | None = None
    for place, child in children:
        if child.type.kind == (b"text", b"calendar"):
            choice.calendars.append(child)
            choice.add(place, child, "invitation")
            continue
        if child.type.kind == _PLAIN and not _is_file(child):
            plain = plain or child
        each = Choice()
        _walk(child, place, each)
        choice.encrypted = choice.encrypted or each.encrypted
        choice.calendars += each.calendars
        for file in each.files:
            choice.add(file.path, file.part, file.note)
        if each.texts and (best is None or _is_html(each) or not _is_html(best)):
            best = each
    if best is None:
        return
    for text in best.texts:
        alone = len(best.texts) == 1 and text.html is not None
        _show(Text(text.html, text.plain or plain) if alone else text, choice)


def _is_html(choice: Choice) -> bool:
    return any(text.html is not None for text in choice.texts)


def _show(text: Text, choice: Choice) -> bool:
    if len(choice.texts) >= MOST_TEXTS:
        return False
    choice.texts.append(text)
    return True


def _leaf(part: Part, path: str, choice: Choice) -> None:
    kind = part.type.kind
    if kind == (b"text", b"calendar"):
        choice.calendars.append(part)
        choice.add(path, part, "invitation")
    elif part.message is not None or _says_message(part):
        choice.add(path, part, "message")
    elif _is_file(part) or not _is_shown(part):
        note = _note(part)
        choice.encrypted = choice.encrypted or note == "encrypted"
        choice.add(path, part, note)
    elif not _show(Text(part, None) if kind == _HTML else Text(None, part), choice):
        choice.add(path, part)


def _says_message(part: Part) -> bool:
    """Also of one that is encoded, which it may not be (RFC 2046 §5.2.1): its structure calls that octets."""
    given = part.fields.get(b"content-type")
    kind = contenttype.content_type(given) if given is not None else None
    return (part.type if kind is None else kind).kind == (b"message", b"rfc822")


def _is_shown(part: Part) -> bool:
    kind = part.type.kind
    if kind[0] == b"text":
        return kind[1] not in (b"rtf", b"richtext", b"vcard", b"x-vcard", b"csv", b"xml", b"css", b"javascript")
    return (kind[0] == b"message" and kind[1] in _REPORTS) or kind[0] == b"multipart"


def _is_file(part: Part) -> bool:
    given = contenttype.disposition(part.fields.get(b"content-disposition", b""))
    if given is not None and given[0].lower() == b"attachment":
        return True
    named = (given is not None and any(name.startswith(b"filename") for name, _ in given[1])) or bool(
        part.type.parameter(b"name")
    )
    return named and part.type.kind not in (_HTML, _PLAIN)


def _note(part: Part) -> Note:
    kind = part.type.kind
    if kind[0] != b"application":
        return ""
    if kind[1] in _SIGNATURES:
        return "signature"
    if kind[1] in _WINMAIL:
        return "winmail"
    if kind[1] in _SMIME:  # RFC 8551 §3.2.2: what is signed only can be read, with a program that knows it
        return "encrypted" if part.type.parameter(b"smime-type").lower() != b"certs-only" else "signature"
    return "encrypted" if kind[1] == b"pgp-encrypted" else ""
