"""What is shown of a message: values without any of its octets, as reader processes hand them to the server."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

# What a part is beside a file: a calendar's question, a signature, what is encrypted, what Outlook packed, a message.
Note = Literal["", "invitation", "signature", "encrypted", "winmail", "message"]

# What is odd about a message, in the order in which it is said:
#   address-as-name   the name of the sender is an address, which is not theirs: ``text`` is that address
#   hidden            names or subject have signs that hide or turn something around: ``text`` is the field's name
#   dmarc             the check of the sender's domain failed: ``text`` is that domain
#   look-alike        the sender's domain looks like one of ours: ``text`` is ours
#   several           more than one sender is named
#   no-sender         none is
#   reply-elsewhere   answers go to another domain than the sender's: ``text`` is the address
Oddity = Literal["address-as-name", "hidden", "dmarc", "look-alike", "several", "no-sender", "reply-elsewhere"]

# Why something is not shown as it was written:
#   too-much   HTML with more tags, or deeper ones, than browsers show: its text is shown
#   cut        what is shown is the beginning
#   parts      there are more parts than are listed
#   encrypted  only a program with the key can read it
#   busy       too much was to be read at the time; nothing of it was looked at but its first octets
#   died       what reads messages gave up on this one: it took too much time or memory
Shortfall = Literal["too-much", "cut", "parts", "encrypted", "busy", "died"]

MOST_PEOPLE: Final = 200  # of one field: more are counted


class Person(msgspec.Struct, frozen=True):
    """A sender or a recipient: the name as they wrote it, and the address, with what would hide made visible."""

    name: str
    address: str


class Warned(msgspec.Struct, frozen=True):
    """Something odd about a message."""

    kind: Oddity
    text: str = ""


class Invitation(msgspec.Struct, frozen=True):
    """What a calendar part says (RFC 5546). Times are as they were written, with the zone: ``2026-11-30 10:00 UTC``.

    ``method`` is in lower case, such as ``request`` or ``cancel``. ``more`` is how many attendees are not listed.
    ``status`` is that of whoever answers, and in a request that of the user: ``accepted``, ``declined``,
    ``tentative``, ``delegated`` or empty. ``comment`` is that of an answer. ``one_of_many`` says that it is about one
    of the events that are repeated.

    ``invited`` is the address of the user as the request has it, empty where it cannot be answered; then an answer has
    the property ``recurrence`` and the lines of its time ``zone`` as they stand here.
    """

    method: str
    summary: str
    start: str
    end: str
    place: str
    organizer: Person
    attendees: tuple[Person, ...]
    repeats: bool
    uid: str
    sequence: int
    more: int = 0
    status: str = ""
    comment: str = ""
    one_of_many: bool = False
    invited: str = ""
    recurrence: str = ""
    zone: str = ""


class Attachment(msgspec.Struct, frozen=True):
    """A part that is a file. Its octets are ``content[start:end]`` of the message, in the transfer ``encoding``.

    ``path`` is its section in IMAP, such as ``2.1``, ``kind`` its type in lower case, such as ``image/png``. ``size``
    is that of the decoded file in octets. ``content_id`` is without brackets. ``inline`` says that the text shows it.
    ``within`` has the names of what it contains.
    """

    path: str
    name: str
    kind: str
    size: int
    start: int
    end: int
    encoding: str
    content_id: str = ""
    inline: bool = False
    note: Note = ""
    within: tuple[str, ...] = ()


class Shown(msgspec.Struct, frozen=True):
    """A message as it is shown.

    ``sent`` is the Date field in seconds since 1970, 0 where there is none that can be read. ``text`` is its plain text
    or that of its HTML, for a reply to quote. ``html`` is the document's body, and ``css`` its style sheet: both can do
    nothing, and both are for the frame alone. ``rich`` says whether it is HTML of the sender, ``coloured`` whether that
    has its own colours. ``remote`` counts its pictures from elsewhere.
    ``more`` is how many recipients are not listed.
    """

    subject: str
    sender: tuple[Person, ...]
    reply_to: tuple[Person, ...]
    to: tuple[Person, ...]
    cc: tuple[Person, ...]
    bcc: tuple[Person, ...]
    more: int
    sent: int
    message_id: str
    in_reply_to: str
    references: str
    list_id: str
    text: str
    html: str
    css: str
    rich: bool
    coloured: bool
    remote: int
    attachments: tuple[Attachment, ...] = ()
    invitations: tuple[Invitation, ...] = ()
    warnings: tuple[Warned, ...] = ()
    shortfalls: tuple[Shortfall, ...] = ()


class Wanted(msgspec.Struct, frozen=True):
    """How a message is to be shown.

    ``length`` is its size in octets, or what it has at most. ``images`` is the path below which the pictures of this
    message are, without the slash at its end; empty: none are shown. With ``remote`` the browser loads pictures from
    elsewhere. ``domains`` are those of this server, and ``dmarc`` is what was found of the sender's domain, such as
    ``fail``. ``plain`` leaves HTML alone and shows the text only. ``addresses`` are those of the user, by which they
    are known in an invitation.
    """

    length: int
    images: str = ""
    remote: bool = False
    domains: tuple[str, ...] = ()
    dmarc: str = ""
    plain: bool = False
    addresses: tuple[str, ...] = ()


class Header(msgspec.Struct, frozen=True):
    """A field of the header: its name, and its text decoded, with what would hide made visible."""

    name: str
    text: str
