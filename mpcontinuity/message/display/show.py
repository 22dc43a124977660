"""Makes of the octets of a message what people see of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from email.utils import mktime_tz, parsedate_tz
from typing import Final
from urllib.parse import quote

from mpcontinuity.message import addresses, contenttype, fields, markup, text
from mpcontinuity.message.charset import decode
from mpcontinuity.message.display import htmltext, invitation, marks, names, plain, spoofs, winmail
from mpcontinuity.message.display.choosing import Choice, File, Text, choose
from mpcontinuity.message.display.sanitised import LONGEST as LONGEST_HTML
from mpcontinuity.message.display.sanitised import TooMuch, sanitise
from mpcontinuity.message.display.shown import (
    MOST_PEOPLE,
    Attachment,
    Header,
    Invitation,
    Person,
    Shortfall,
    Shown,
    Wanted,
)
from mpcontinuity.message.fields import Content
from mpcontinuity.message.structure import Part, lines, scan
from mpcontinuity.model.visible import visible

_LONGEST_SUBJECT: Final = 1_000  # characters
_LONGEST_NAME: Final = 200
_LONGEST_ADDRESS: Final = 320  # RFC 5321 §4.5.3.1
_LONGEST_DATE: Final = 256  # octets
_LONGEST_IDS: Final = 16 * 1024  # characters of References
_MOST_INVITATIONS: Final = 5
MOST_FIELDS: Final = 2_000  # of the header
_LONGEST_FIELDS: Final = 1 << 20  # characters of them all
# Pictures that browsers show and that hold no script.
PICTURES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


def show(content: Content, wanted: Wanted) -> Shown:
    """Returns what is shown of a message."""
    root = scan(content)
    choice = choose(root)
    head = _Head(content, root)
    shortfalls: list[Shortfall] = []
    attachments = tuple(_attachment(content, file, number) for number, file in enumerate(choice.files, 1))
    images = _images(attachments, wanted.images)
    written = _Written(content, wanted, images)
    for each in choice.texts:
        written.add(each)
    shortfalls += written.shortfalls
    if choice.left_out:
        shortfalls.append("parts")
    if choice.encrypted and not choice.texts:
        shortfalls.append("encrypted")
    return Shown(
        subject=visible(head.subject),
        sender=head.people(b"from")[0],
        reply_to=head.people(b"reply-to")[0],
        to=head.people(b"to")[0],
        cc=head.people(b"cc")[0],
        bcc=head.people(b"bcc")[0],
        more=sum(head.people(name)[1] for name in (b"to", b"cc", b"bcc")),
        sent=head.sent(),
        message_id=head.text(b"message-id", _LONGEST_SUBJECT),
        in_reply_to=head.text(b"in-reply-to", _LONGEST_SUBJECT),
        references=head.named(b"references"),
        list_id=head.named(b"list-id")[:_LONGEST_SUBJECT],
        text=written.text,
        html=written.html,
        css=written.css,
        rich=written.rich,
        coloured=written.coloured,
        remote=written.remote,
        attachments=attachments,
        invitations=tuple(_invitations(content, choice, wanted.addresses)),
        warnings=spoofs.warnings(
            head.as_written(b"from"),
            head.people(b"reply-to")[0],
            [("From", head.raw(b"from")), ("Subject", head.subject)],
            wanted.domains,
            wanted.dmarc,
        ),
        shortfalls=tuple(dict.fromkeys(shortfalls)),
    )


class _Head:
    """The header of a message."""

    def __init__(self, content: Content, root: Part) -> None:
        self._content = content
        self._root = root
        self.subject = self.raw(b"subject")[:_LONGEST_SUBJECT]

    def raw(self, name: bytes) -> str:
        return text.of_field(self._root.fields.get(name, b"")[: fields.MAX_FIELD])

    def text(self, name: bytes, longest: int) -> str:
        return visible(self.raw(name)[:longest])

    def named(self, name: bytes) -> str:
        """A field that the structure does not have."""
        for value in fields.named(self._content, self._root.header, self._root.body, name):
            return visible(text.of_field(value[: 2 * _LONGEST_IDS])[:_LONGEST_IDS])
        return ""

    def people(self, name: bytes) -> tuple[tuple[Person, ...], int]:
        """Those that are listed, and how many are not."""
        found = self.as_written(name)
        shown = tuple(Person(visible(each.name), visible(each.address)) for each in found[:MOST_PEOPLE])
        return shown, max(len(found) - MOST_PEOPLE, 0)

    def as_written(self, name: bytes) -> list[Person]:
        """With signs that hide as they stand."""
        found = []
        value = self._root.fields.get(name, b"")[: addresses.LONGEST]
        for person, _, local, host in addresses.parse(value):
            if host is None:  # a group begins or ends
                continue
            address = decode(local or b"") + ("@" + decode(host) if host else "")
            found.append(Person(text.of_field(person or b"")[:_LONGEST_NAME], address[:_LONGEST_ADDRESS]))
        return found

    def sent(self) -> int:
        value = self._root.fields.get(b"date", b"")[:_LONGEST_DATE].decode("ascii", "replace")
        try:
            parsed = parsedate_tz(value)
            return mktime_tz(parsed) if parsed is not None else 0
        except (ValueError, OverflowError, TypeError, IndexError):
            return 0


class _Written:
    """The text and the HTML of all parts that are shown, one below the other."""

    def __init__(self, content: Content, wanted: Wanted, images: Mapping[str, str]) -> None:
        self.shortfalls: list[Shortfall] = []
        self.rich = False
        self.coloured = False
        self.remote = 0
        self._content = content
        self._wanted = wanted
        self._images = images
        self._html: list[str] = []
        self._css: list[str] = []
        self._text: list[str] = []
        self._rich_room = LONGEST_HTML
        self._room = plain.LONGEST

    @property
    def html(self) -> str:
        return "<hr>".join(self._html)

    @property
    def css(self) -> str:
        return "\n".join(filter(None, self._css))

    @property
    def text(self) -> str:
        return "\n\n".join(self._text)

    def add(self, part: Text) -> None:
        html = None
        if part.html is not None:
            html, cut = _first(text.of_part(self._content, part.html), self._rich_room)
            self._cut(cut)
            self._rich_room -= len(html)
            if not self._wanted.plain and self._rich(html):
                self._add_text(self._plain(part.plain) if part.plain is not None else htmltext.text_of(html))
                return
        if part.plain is not None or html is None:
            source = part.plain
            assert source is not None
            self._show(self._plain(source), source)
        else:
            self._show(htmltext.text_of(html), None)

    def _rich(self, html: str) -> bool:
        try:
            found = sanitise(marks.thinned(marks.resolved(html)), images=self._images, remote=self._wanted.remote)
        except TooMuch:
            self.shortfalls.append("too-much")
            return False
        if "<img" not in found.html and not markup.readable(found.html).strip():
            return False  # all of it is within something that may do harm: its text is shown, if it has any
        self._html.append(found.html)
        self._css.append(found.css)
        self.rich = True
        self.coloured = self.coloured or found.coloured
        self.remote += found.remote
        return True

    def _plain(self, part: Part) -> str:
        found, cut = _first(text.of_part(self._content, part), self._room)
        self._cut(cut)
        found = marks.thinned(found)
        return found.replace("\0", "\ufffd").replace("\r\n", "\n")

    def _show(self, shown: str, part: Part | None) -> None:
        flowed = part is not None and part.type.parameter(b"format").lower() == b"flowed"
        joined = flowed and part is not None and part.type.parameter(b"delsp").lower() == b"yes"
        found = list(plain.lines(shown, flowed=flowed, joined=joined))
        self._html.append(self._as_text(plain.as_html(found)))
        self._add_text("\n".join([f"{'>' * level} {line}" if level else line for level, line in found]))

    def _as_text(self, html: str) -> str:
        """Text has been escaped; it goes through the same needle's eye all the same, where that does not take long."""
        try:
            return sanitise(html, images={}).html
        except TooMuch:
            return html

    def _add_text(self, shown: str) -> None:
        self._room = max(self._room - len(shown), 0)
        self._text.append(shown)

    def _cut(self, cut: bool) -> None:
        if cut:
            self.shortfalls.append("cut")


def _first(pieces: Iterator[str], longest: int) -> tuple[str, bool]:
    """The beginning of a text, and whether there was more."""
    found: list[str] = []
    room = longest
    for piece in pieces:
        found.append(piece[:room])
        if len(piece) > room:
            return "".join(found), True
        room -= len(piece)
    return "".join(found), False


def _attachment(content: Content, file: File, number: int) -> Attachment:
    part = file.part
    kind = b"/".join(part.type.kind).decode("ascii", "replace")
    encoding = part.fields.get(b"content-transfer-encoding", b"").strip().lower()[:20].decode("ascii", "replace")
    content_id = text.of_field(part.fields.get(b"content-id", b"")[:_LONGEST_NAME]).strip("<> ")
    given = contenttype.disposition(part.fields.get(b"content-disposition", b""))
    within: tuple[str, ...] = ()
    if file.note == "winmail" and part.end - part.body <= winmail.LONGEST:
        within = tuple(map(visible, winmail.names(b"".join(text.octets(content, part)))))
    return Attachment(
        path=file.path,
        name=names.file_name(_name(content, part), kind, number),
        kind=kind,
        size=_size(content, part, encoding),
        start=part.body,
        end=part.end,
        encoding=encoding,
        content_id=content_id,
        inline=bool(content_id) and kind in PICTURES and (given is None or given[0].lower() != b"attachment"),
        note=file.note,
        within=within,
    )


def _name(content: Content, part: Part) -> str:
    """The file's name by its disposition, else by its type; that of an enclosed message is its subject."""
    given = contenttype.disposition(part.fields.get(b"content-disposition", b""))
    for parameters, wanted in ((given[1] if given else (), b"filename"), (part.type.parameters, b"name")):
        for parameter in sorted(parameters, key=lambda each: not each[0].endswith(b"*")):
            if parameter[0] in (wanted, wanted + b"*") and parameter[1]:
                return contenttype.text(parameter)
    if part.message is not None:
        subject = text.of_field(part.message.fields.get(b"subject", b"")[:_LONGEST_SUBJECT])
        return f"{subject}.eml" if subject else ""
    return ""


def _size(content: Content, part: Part, encoding: str) -> int:
    """In octets, decoded: exact but for padding that stands in the middle, and for quoted-printable an upper bound."""
    length = part.end - part.body
    if encoding != "base64":
        return length
    breaks = lines(content, part.body, part.end)
    two = b"\r\n" in content[part.body : min(part.body + 1_000, part.end)]
    padding = content[max(part.end - 4, part.body) : part.end].count(b"=")
    return max((length - breaks * (2 if two else 1)) * 3 // 4 - padding, 0)


def _images(attachments: tuple[Attachment, ...], path: str) -> dict[str, str]:
    """The path of each picture by its Content-ID."""
    if not path:
        return {}
    return {
        each.content_id: f"{path}/{quote(each.path, safe='')}"
        for each in reversed(attachments)  # of the same id the first counts
        if each.content_id and each.kind in PICTURES
    }


def _invitations(content: Content, choice: Choice, addresses: tuple[str, ...]) -> Iterator[Invitation]:
    seen: set[tuple[str, str] | None] = set()
    for part in choice.calendars[:_MOST_INVITATIONS]:
        calendar, _ = _first(text.of_part(content, part), invitation.LONGEST)
        found = invitation.read(calendar, addresses)
        key = (found.uid, found.recurrence) if found is not None else None
        if found is not None and key not in seen:  # Outlook sends it twice
            seen.add(key)
            yield found


def header(content: Content) -> list[Header]:
    """Returns the fields of the header of a message, as far as they are read by people."""
    root = scan(content)
    found: list[Header] = []
    room = _LONGEST_FIELDS
    for name, value in fields.every(content, root.header, root.body):
        shown = visible(text.of_field(value[:room]))
        room -= len(shown)
        found.append(Header(visible(decode(name)), shown))
        if len(found) >= MOST_FIELDS or room <= 0:
            break
    return found
